"""The servers of one cluster: a call goes to one of them, and to the next if that one is gone."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from core.errors import StoreError
from core.stores.weaviate_client import WeaviateClient
from core.stores.weaviate_connection import Connection
from core.stores.weaviate_errors import UnreachableError
from core.stores.weaviate_url import WeaviateUrl

_T = TypeVar("_T")

READ_SECONDS = 4.0
"""All that a search may take, whatever happens to the servers meanwhile."""
LIST_SECONDS = 30.0
WRITE_SECONDS = 60.0
_SILENCE_SECONDS = 10.0
"""A writer has patience with a server that is there and busy."""


class WeaviateServers:
    """Calls that fail over. Opened at the first call; used from any number of threads."""

    def __init__(self, url: WeaviateUrl, api_key: str | None, *, ask_majority: bool = True) -> None:
        """`ask_majority`: where rows have copies, ask most of them and not only the nearest."""
        self.address = str(url)
        self.ask_majority = ask_majority
        self._url = url
        self._api_key = api_key
        self._lock = threading.Lock()
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
        """Something that may be done twice."""
        return self._call(act, WRITE_SECONDS, _SILENCE_SECONDS)

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
        if left > 1:
            silence_seconds /= 5  # another one may answer meanwhile
        while True:
            connection = self._current()
            used_before = connection.used
            connection.used = True
            try:
                return connection.call(
                    act,
                    seconds=deadline - time.monotonic(),
                    silence_seconds=silence_seconds,
                    unready=left == 1,
                )
            except UnreachableError as error:
                self._give_up(connection, error)
                silence_seconds = min(silence_seconds, 1)
                left -= not used_before  # it may have been an old connection to a server restarted
                if left <= 0 or deadline - time.monotonic() < 0.2:
                    raise self._unreachable(error) from error

    def _unreachable(self, last: UnreachableError) -> UnreachableError:
        count = len(self._url.addresses)
        also = f" Nor do the other {count - 1} of {self.address}." if count > 1 else ""
        return UnreachableError(
            f"{last}{also} Please start it, or correct 'store' in the configuration."
        )

    def _current(self) -> Connection:
        with self._lock:
            if self._closed:
                raise StoreError(f"The connection to {self.address} was closed.")
            if self._connection is None:
                self._connection = Connection(
                    self._url.addresses[self._turn % len(self._url.addresses)],
                    secure=self._url.secure,
                    api_key=self._api_key,
                    oldest=self._url.oldest,
                )
            return self._connection

    def _give_up(self, connection: Connection, why: UnreachableError) -> None:
        with self._lock:
            if connection is self._connection:
                self._connection = None
                self._turn += 1
        connection.close(why)
