"""Which of the servers of one cluster to use: one that has every row, if any is known to."""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue

from core.errors import StoreError
from core.stores.weaviate_call import Call
from core.stores.weaviate_connection import LOOK_SECONDS, Connection
from core.stores.weaviate_copies import Standing
from core.stores.weaviate_errors import UnreachableError
from core.stores.weaviate_url import Address, WeaviateUrl

_LEFT_FOR_THE_CALL_SECONDS = 1.5
"""Of its time, once the best of several servers has been looked for."""
_CHOOSE_SECONDS = 1.5
_CHOOSE_AGAIN_SECONDS = 10.0


class Choice:
    """The connection in use, opened at the first call. Used from any number of threads."""

    def __init__(self, url: WeaviateUrl, api_key: str | None) -> None:
        self._url = url
        self._api_key = api_key
        self._prefix = f"{url.name}Images"
        self._lock = threading.Lock()
        self._choosing = threading.Lock()
        self._choose_again_at = 0.0
        self._turn = 0
        self._connection: Connection | None = None
        self._closed = False

    def best(self, deadline: float) -> Connection:
        """The connection to use: of several servers the best."""
        connection = self.current()
        if len(self._url.addresses) == 1 or not self._is_to_look(connection, deadline):
            return connection
        # Who has been looked at may be used while another thread looks again.
        patience_seconds = 0 if connection.look_again_at else deadline - time.monotonic()
        if not self._choosing.acquire(timeout=patience_seconds):
            return connection
        try:
            connection = self.current()
            if self._is_to_look(connection, deadline):
                self._choose(connection, deadline)
            return self.current()
        finally:
            self._choosing.release()

    def current(self) -> Connection:
        """The connection to use, without a look at the others. StoreError once closed."""
        with self._lock:
            if self._closed:
                raise StoreError(f"The connection to {self._url} was closed.")
            if self._connection is None:
                addresses = self._url.addresses
                self._connection = self._connection_to(addresses[self._turn % len(addresses)])
            return self._connection

    def give_up(self, connection: Connection, why: UnreachableError) -> None:
        """It is the turn of the next address."""
        with self._lock:
            if connection is self._connection:
                self._connection = None
                self._turn += 1
        connection.close(why)

    def close(self) -> None:
        """Idempotent."""
        with self._lock:
            self._closed = True
            connection, self._connection = self._connection, None
        if connection:
            connection.close()

    def _is_to_look(self, connection: Connection, deadline: float) -> bool:
        now = time.monotonic()
        return now >= connection.look_again_at and now < deadline - _LEFT_FOR_THE_CALL_SECONDS

    def _choose(self, connection: Connection, deadline: float) -> None:
        """Look at the server; if it may lack rows, and did not before, look for a better one."""
        before = connection.rank if connection.look_again_at else None
        connection.look(self._prefix, LOOK_SECONDS)
        rank, now = connection.rank, time.monotonic()
        as_before = before is not None and rank >= before and rank.standing is not Standing.GONE
        if rank.standing is Standing.WHOLE or (as_before and now < self._choose_again_at):
            return
        self._choose_again_at = now + _CHOOSE_AGAIN_SECONDS
        at = self._url.addresses.index(connection.address)
        addresses = self._url.addresses[at + 1 :] + self._url.addresses[:at]
        others = self._looked_at(addresses, deadline - _LEFT_FOR_THE_CALL_SECONDS - now)
        best = max([connection, *others], key=lambda each: each.rank)
        for other in others:
            if other is not best:
                other.close()
        if best is not connection:
            self._replace(connection, best)

    def _looked_at(self, addresses: Sequence[Address], seconds: float) -> list[Connection]:
        """Connections to them, looked at all at once, until one of them is known to be whole."""
        seconds = max(0.1, min(seconds, _CHOOSE_SECONDS))
        connections = [self._connection_to(address) for address in addresses]
        told: SimpleQueue[Connection] = SimpleQueue()

        def look(connection: Connection) -> None:
            connection.look(self._prefix, seconds)
            told.put(connection)

        for connection in connections:
            Call(partial(look, connection))
        end = time.monotonic() + seconds
        with suppress(Empty):
            for _ in connections:
                first = told.get(timeout=max(0, end - time.monotonic()))
                if first.rank.standing is Standing.WHOLE:
                    break
        return connections

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
