"""One Weaviate server: connecting to it, and calls that end in time whatever it does."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from core.errors import StoreError
from core.stores.weaviate_call import Call
from core.stores.weaviate_client import WeaviateClient, connect
from core.stores.weaviate_errors import FAILURES, BusyError, UnreachableError, store_error
from core.stores.weaviate_probe import PROBE_SECONDS, Probe, SilentError
from core.stores.weaviate_url import Address, Version
from core.stores.weaviate_versions import is_supported, parse_version

_T = TypeVar("_T")

_CONNECT_SECONDS = 3.0
_LOOK_AFTER_SECONDS = 0.4
"""So long a call may take before we ask whether the server is there at all: the client itself goes
on trying for 63 s."""


class Connection:
    """A client of one server, opened at the first call and never reopened once closed."""

    def __init__(
        self, address: Address, *, secure: bool, api_key: str | None, oldest: Version | None
    ) -> None:
        self.address = address
        self.used = False
        """Set by the caller with its first call."""
        self._secure = secure
        self._api_key = api_key
        self._oldest = oldest
        self._client: WeaviateClient | None = None
        self._opening = threading.Lock()
        self._end: UnreachableError | None = None
        self._probe = Probe(address, secure=secure)

    def call(
        self,
        act: Callable[[WeaviateClient], _T],
        *,
        seconds: float,
        silence_seconds: float,
        unready: bool = True,
    ) -> _T:
        """What `act` makes of the client. UnreachableError after `seconds`, or once the server is
        gone, or has been silent for `silence_seconds`; any other StoreError is its answer.

        What is given up goes on in a thread until the connection is closed, at most for a minute.

        Args:
            unready: also open a connection to a server that says that it is not ready.
        """
        deadline = time.monotonic() + seconds
        client = self._opened(deadline, silence_seconds, unready=unready)
        call = Call(lambda: act(client))
        silent_since: float | None = None
        while not call.wait(min(_LOOK_AFTER_SECONDS, deadline - time.monotonic())):
            now = time.monotonic()
            try:
                self.server_seconds()
                silent_since = None
            except SilentError as silent:
                silent_since = silent_since or now
                if time.monotonic() - silent_since >= silence_seconds and not call.wait(0):
                    raise self._unreachable(str(silent)) from None
            except UnreachableError:
                if not call.wait(0):
                    raise
            if time.monotonic() >= deadline and not call.wait(0):
                raise BusyError(str(self._unreachable(f"no answer within {seconds:.0f} s")))
        try:
            return call.result()
        except FAILURES as error:
            raise self._end or store_error(self.address, error) from error

    def server_seconds(self) -> float:
        """The server's clock. UnreachableError unless it says that it lives."""
        return self._asked(self._probe.server_seconds)

    def check_ready(self) -> None:
        """UnreachableError unless it says that it is ready."""
        self._asked(self._probe.check_ready)

    def _asked(self, ask: Callable[[], _T]) -> _T:
        try:
            return ask()
        except SilentError:
            raise
        except StoreError as error:
            raise self._end or error from None

    def close(self, why: UnreachableError | None = None) -> None:
        """End what is under way, in whatever thread, with this error; idempotent."""
        self._end = self._end or why or self._unreachable("the connection was closed")
        self._probe.close()
        if client := self._client:
            with suppress(*FAILURES):
                client.close()

    def _opened(self, deadline: float, silence_seconds: float, *, unready: bool) -> WeaviateClient:
        if not self._opening.acquire(timeout=max(0, deadline - time.monotonic())):
            raise self._unreachable("no connection in time")
        try:
            if self._end:
                raise self._end
            if self._client is None:
                self._client = self._open(silence_seconds, unready=unready)
                if self._end:  # meanwhile
                    self._client.close()
            return self._client
        finally:
            self._opening.release()

    def _open(self, silence_seconds: float, *, unready: bool) -> WeaviateClient:
        end = time.monotonic() + silence_seconds
        while True:
            try:
                if unready:
                    self.server_seconds()
                else:
                    self.check_ready()
                break
            except SilentError as silent:
                if time.monotonic() >= end:
                    raise self._unreachable(str(silent)) from None
        self._check_grpc_port()
        call = Call(self._connect)
        if not call.wait(_CONNECT_SECONDS):
            raise self._unreachable(f"no connection within {_CONNECT_SECONDS:g} s")
        try:
            return call.result()
        except FAILURES as error:
            raise store_error(self.address, error) from error

    def _connect(self) -> WeaviateClient:
        client = connect(self.address, secure=self._secure, api_key=self._api_key)
        try:
            version = str(client.get_meta()["version"])
            if not is_supported(parse_version(version), self._oldest):
                raise StoreError(
                    f"The Weaviate server {self.address} has version {version}, which may lose "
                    "rows. Please update it to 1.39.1 or later, or to 1.38.10 or later of 1.38."
                )
            if self._end:  # nobody waits for it any more
                raise self._end
        except BaseException:
            client.close()
            raise
        return client

    def _check_grpc_port(self) -> None:
        # Or a closed port would show only as a search that finds no end.
        target = (self.address.host.strip("[]"), self.address.grpc_port)
        try:
            socket.create_connection(target, PROBE_SECONDS).close()
        except OSError as error:
            raise UnreachableError(
                f"The Weaviate server {self.address} answers, but its gRPC port {target[1]} does "
                f"not: {error.strerror or 'no answer'}."
            ) from None

    def _unreachable(self, reason: str) -> UnreachableError:
        return UnreachableError(f"The Weaviate server {self.address} does not answer ({reason}).")
