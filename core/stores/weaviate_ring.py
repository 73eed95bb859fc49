"""The servers of one cluster, in the order in which they are tried."""

import threading
from collections.abc import Set

from core.errors import StoreError
from core.stores.weaviate_connection import Connection
from core.stores.weaviate_errors import UnreachableError
from core.stores.weaviate_url import Address, WeaviateUrl


class Ring:
    """As they are given at first; one that could not answer comes last from then on. Connections
    are opened at their first call. Used from any number of threads."""

    def __init__(self, url: WeaviateUrl, api_key: str | None) -> None:
        self._url = url
        self._api_key = api_key
        self._lock = threading.Lock()
        self._connections = [self._new(address) for address in url.addresses]
        self._closed = False

    def __len__(self) -> int:
        return len(self._url.addresses)

    def __str__(self) -> str:
        return str(self._url)

    def first(self, *, but: Set[Address] = frozenset()) -> Connection | None:
        """The first that is none of these. StoreError once closed."""
        with self._lock:
            if self._closed:
                raise StoreError(f"The connection to {self} was closed.")
            return next((each for each in self._connections if each.address not in but), None)

    def give_up(self, connection: Connection, why: UnreachableError) -> None:
        """It ends with this error in whatever thread it is used, and a new one comes last."""
        with self._lock:
            if connection in self._connections and not self._closed:
                self._connections.remove(connection)
                self._connections.append(self._new(connection.address))
        connection.close(why)

    def put_last(self, connection: Connection) -> None:
        """It is there, and could not do what was asked."""
        with self._lock:
            if connection in self._connections:
                self._connections.remove(connection)
                self._connections.append(connection)

    def close(self) -> None:
        """Idempotent."""
        with self._lock:
            self._closed = True
        for connection in self._connections:
            connection.close()

    def _new(self, address: Address) -> Connection:
        return Connection(
            address, secure=self._url.secure, api_key=self._api_key, oldest=self._url.oldest
        )
