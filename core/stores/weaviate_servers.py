"""The servers of one cluster: a call goes to one of them, and to the next if that one is gone."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from core.errors import StoreError
from core.stores.weaviate_client import WeaviateClient
from core.stores.weaviate_connection import Connection
from core.stores.weaviate_copies import Standing
from core.stores.weaviate_errors import BusyError, UnreachableError
from core.stores.weaviate_url import Address, WeaviateUrl

_T = TypeVar("_T")

READ_SECONDS = 4.0
"""All that a search may take, whatever happens to the servers meanwhile."""
LIST_SECONDS = 30.0
WRITE_SECONDS = 60.0
_SILENCE_SECONDS = 10.0
"""A writer has patience with a server that is there and busy."""
_ATTEMPT_SHARE = 0.4
"""Where another server could answer as well, one has this share of the time that is left: a batch
whose server waits for a frozen one may get no answer for a minute."""
_ROUND_SECONDS = 25.0
"""A write goes around several servers again and again, as a majority that is gone may return."""
_PAUSE_SECONDS = 0.5
_LEFT_FOR_THE_CALL_SECONDS = 1.5
"""Of its time, once the best of several servers has been looked for."""
_CHOOSE_AGAIN_SECONDS = 30.0


class WeaviateServers:
    """Calls that fail over. Opened at the first call; used from any number of threads."""

    def __init__(self, url: WeaviateUrl, api_key: str | None, *, ask_majority: bool = True) -> None:
        """`ask_majority`: where rows have copies, ask most of them and not only the nearest."""
        self.address = str(url)
        self._prefix = f"{url.name}Images"
        self.ask_majority = ask_majority
        self._url = url
        self._api_key = api_key
        self._lock = threading.Lock()
        self._choosing = threading.Lock()
        self._choose_again_at = 0.0
        self._turn = 0
        self._connection: Connection | None = None
        self._closed = False

    def read(self, act: Callable[[WeaviateClient], _T]) -> _T:
        """Something a person waits for. UnreachableError within READ_SECONDS."""
        return self._call(act, READ_SECONDS, 1.5)

    def find(self, act: Callable[[WeaviateClient], _T | None]) -> _T | None:
        """Like read, for what may be missing: None is taken from a server only that said it was
        ready, and was asked again then."""

        def act_surely(client: WeaviateClient) -> _T | None:
            found = act(client)
            if found is None:
                self._current().check_ready()
                found = act(client)
            return found

        return self.read(act_surely)

    def page(self, act: Callable[[WeaviateClient], _T]) -> _T:
        """A piece of a long read."""
        return self._call(act, LIST_SECONDS, 1.5)

    def write(self, act: Callable[[WeaviateClient], _T]) -> _T:
        """Something that may be done twice, and is, where there are several servers."""
        alone = len(self._url.addresses) == 1
        seconds = WRITE_SECONDS if alone else _ROUND_SECONDS
        again_until = time.monotonic() + WRITE_SECONDS / 2
        while True:
            try:
                return self._call(act, seconds, _SILENCE_SECONDS)
            except BusyError:
                if alone or time.monotonic() > again_until:
                    raise
            time.sleep(_PAUSE_SECONDS)

    def server_seconds(self) -> float:
        """The clock of the server that is being used."""
        return self.read(lambda _: self._current().server_seconds())

    def close(self) -> None:
        """Idempotent."""
        with self._lock:
            self._closed = True
            connection, self._connection = self._connection, None
        if connection:
            connection.close()

    def _call(
        self, act: Callable[[WeaviateClient], _T], seconds: float, silence_seconds: float
    ) -> _T:
        deadline = time.monotonic() + seconds
        left = len(self._url.addresses)
        kind = UnreachableError
        if left > 1:
            silence_seconds /= 5  # another one may answer meanwhile
        while True:
            connection = self._chosen(deadline)
            used_before = connection.used
            connection.used = True
            share = _ATTEMPT_SHARE if left > 1 else 1
            try:
                return connection.call(
                    act,
                    seconds=share * (deadline - time.monotonic()),
                    silence_seconds=silence_seconds,
                    unready=left == 1,
                )
            except UnreachableError as error:
                self._give_up(connection, error)
                kind = BusyError if isinstance(error, BusyError) else kind
                silence_seconds = min(silence_seconds, 1)
                left -= not used_before  # it may have been an old connection to a server restarted
                if left <= 0 or deadline - time.monotonic() < 0.2:
                    raise kind(self._sentence(error)) from error

    def _chosen(self, deadline: float) -> Connection:
        """The connection to use: of several servers one that has every row, if any has."""
        if len(self._url.addresses) == 1:
            return self._current()
        for _ in self._url.addresses:
            connection = self._current()
            left = deadline - time.monotonic()
            if time.monotonic() < connection.look_again_at or left < _LEFT_FOR_THE_CALL_SECONDS:
                return connection
            # Who has been looked at may be used while another thread looks again.
            if not self._choosing.acquire(timeout=0 if connection.look_again_at else left):
                return connection
            try:
                self._choose(connection, deadline)
            except UnreachableError as error:
                self._give_up(connection, error)
            finally:
                self._choosing.release()
        return self._current()

    def _choose(self, connection: Connection, deadline: float) -> None:
        """Look at the server; if it may lack rows, and did not before, look for a better one."""
        if connection is not self._current() or time.monotonic() < connection.look_again_at:
            return  # another thread has done it
        before = connection.standing if connection.look_again_at else None
        connection.look(self._prefix, deadline - time.monotonic())
        now = time.monotonic()
        as_before = before is not None and connection.standing >= before
        if connection.standing is Standing.WHOLE or (as_before and now < self._choose_again_at):
            return
        self._choose_again_at = now + _CHOOSE_AGAIN_SECONDS
        at = self._url.addresses.index(connection.address)
        for address in self._url.addresses[at + 1 :] + self._url.addresses[:at]:
            if deadline - time.monotonic() < _LEFT_FOR_THE_CALL_SECONDS:
                return
            other = self._connection_to(address)
            with suppress(StoreError):
                other.look(self._prefix, deadline - time.monotonic())
            if other.standing > connection.standing:
                self._replace(connection, other)
                connection = other
            else:
                other.close()
            if connection.standing is Standing.WHOLE:
                return

    def _sentence(self, last: UnreachableError) -> str:
        count = len(self._url.addresses)
        also = f" Nor do the other {count - 1} of {self.address}." if count > 1 else ""
        return f"{last}{also} Please start it, or correct 'store' in the configuration."

    def _current(self) -> Connection:
        with self._lock:
            if self._closed:
                raise StoreError(f"The connection to {self.address} was closed.")
            if self._connection is None:
                addresses = self._url.addresses
                self._connection = self._connection_to(addresses[self._turn % len(addresses)])
            return self._connection

    def _connection_to(self, address: Address) -> Connection:
        return Connection(
            address, secure=self._url.secure, api_key=self._api_key, oldest=self._url.oldest
        )

    def _replace(self, old: Connection, new: Connection) -> None:
        with self._lock:
            if self._connection is old and not self._closed:
                self._connection = new
                self._turn = self._url.addresses.index(new.address)
            else:
                old = new
        old.close()

    def _give_up(self, connection: Connection, why: UnreachableError) -> None:
        with self._lock:
            if connection is self._connection:
                self._connection = None
                self._turn += 1
        connection.close(why)
