"""One collection of ours: looked up late, checked once, gone without an error."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from core.errors import StoreError
from core.stores.scopes import chunks
from core.stores.weaviate_client import (
    CollectionConfig,
    ConsistencyLevel,
    DataObject,
    Filter,
    Rows,
    WeaviateClient,
)
from core.stores.weaviate_errors import BusyError, NoCollectionError
from core.stores.weaviate_query import query
from core.stores.weaviate_quorum import enough
from core.stores.weaviate_schema import Layout, about, creation, differences
from core.stores.weaviate_servers import READ_SECONDS, WeaviateServers

_T = TypeVar("_T")

_NOBODY = UUID(int=0)
_RENEWED_AT_ONCE = 100

_MADE_SECONDS = 2.0
_LOOK_AGAIN_SECONDS = 0.05
"""A collection that is being made, or made anew, is in the schema a moment before its rows can be
asked for."""
_REPLICAS = 3
"""Copies of each row where the cluster has so many servers or more: one may be gone, and a
majority still agrees on every row."""


class WeaviateCollection:
    """Calls on a collection that exists or does not, at a consistency that loses no write."""

    def __init__(
        self, servers: WeaviateServers, name: str, layout: Layout, expected: Mapping[str, Any]
    ) -> None:
        """`expected`: what the collection must say of itself to be the right one."""
        self.name = name
        self._servers = servers
        self._layout = layout
        self._expected = expected
        self.copies = 1
        """Of each row, as the collection says once it was seen."""
        self._open = False
        self.about: Mapping[str, Any] = {}
        """What it says of itself; empty until it was seen."""

    def read(self, act: Callable[[Rows], _T], missing: _T) -> _T:
        """What `act` makes of the rows that one server has; `missing` where there is no such
        collection."""
        return next(iter(self.answers(act, 1)), missing)

    def answers(
        self,
        act: Callable[[Rows], _T],
        servers: int | None = None,
        *,
        seconds: float = READ_SECONDS,
    ) -> list[_T]:
        """What it makes of the rows of each of several servers, by its own copy of them; nothing
        where there is no such collection.

        Args:
            servers: how many to ask; None: as many as it takes that any write that was confirmed
                is known to one of them.
            seconds: how long it may take.
        """
        if not self.exists():
            return []
        began, again = time.monotonic(), False
        while True:
            try:
                return self._servers.several(
                    lambda client: act(self._rows(client, ConsistencyLevel.ONE)),
                    servers or enough(self.copies),
                    seconds,
                )
            except (NoCollectionError, BusyError) as error:
                late = time.monotonic() - began >= _MADE_SECONDS
                if late and (again or isinstance(error, BusyError)):
                    raise
            self._open, again = False, True
            time.sleep(_LOOK_AGAIN_SECONDS)
            if not self.exists():
                return []

    def write(self, act: Callable[[Rows], _T]) -> _T:
        """What `act` makes of the rows of a collection that must exist."""
        try:
            return self._servers.write(
                lambda client: act(self._rows(client, ConsistencyLevel.QUORUM))
            )
        except NoCollectionError:
            self._open = False
            raise StoreError(
                f"The collection {self.name} of {self._servers.address} vanished while it was in "
                "use. Please restart the daemon to build it anew."
            ) from None

    def insert(self, objects: Sequence[Any]) -> None:
        """Write objects by id; StoreError unless the server confirms every one."""

        def act(rows: Rows) -> None:
            result = rows.data.insert_many(objects)
            if result.has_errors:  # perhaps another server can do it
                raise RuntimeError(next(iter(result.errors.values())).message)

        self.write(act)

    def settle(self) -> None:
        """Make sure that what was inserted outlives the server, were it killed now.

        The server writes the log of its vector index out before the workers of a batch have added
        to it, so the end of the last batch stays in its memory until something else is written
        (seen with 1.35.2: up to a fifth of 300 rows were found by no search any more). A delete
        of no row is enough.
        """
        self.delete([_NOBODY])

    def get(self, each: UUID) -> Any | None:
        """The object with this id, read where it is stored and not through an index; None if there
        is none. A call each."""

        def find(rows: Rows, **returned: Any) -> Any:
            found = rows.query.fetch_objects(after=UUID(int=each.int - 1), limit=1, **returned)
            found.objects = [row for row in found.objects if row.uuid == each]
            return found

        found = query(
            self,
            find,
            properties=list(self._layout.fields),
            vectors=self._layout.vectors,
            dated=True,
            again=lambda *_: find,
        )
        return found.rows[0] if found.rows else None

    def renew(self, ids: Sequence[str]) -> None:
        """Write objects again as they are, so that every index has them; ids that are unknown are
        fine."""
        found = [each for each in map(self.get, map(UUID, ids)) if each]
        for each in found:
            self.remove(each.uuid)
        for some in chunks(found, _RENEWED_AT_ONCE):
            self.insert([
                DataObject(uuid=each.uuid, properties=each.properties, vector=each.vector or None)
                for each in some
            ])  # fmt: skip
        if found:
            self.settle()

    def remove(self, each: UUID) -> None:
        """Delete one object where it is stored, also if no index has it; unknown is fine."""
        self.write(lambda rows: rows.data.delete_by_id(each))

    def delete(self, ids: Sequence[Any]) -> None:
        """Delete objects by id; unknown ids are fine."""

        def act(rows: Rows) -> bool:
            done = rows.data.delete_many(where=Filter.by_id().contains_any(ids))
            if done.failed:
                raise StoreError(
                    f"{done.failed} rows of {self.name} of {self._servers.address} could not be "
                    "deleted. The server's log says why."
                )
            return bool(done.matches <= done.successful)

        # The server deletes QUERY_MAXIMUM_RESULTS at most, and tells only by its counts.
        while not self.write(act):
            pass

    def exists(self) -> bool:
        """Whether it is there. StoreError naming the difference if it is not as it should be."""
        if self._open:
            return True
        config = self._servers.find(self._config)
        if config is None:
            return False
        if found := list(differences(config, self._layout, self._expected)):
            raise StoreError(
                f"The collection {self.name} of {self._servers.address} does not fit: "
                f"{'; '.join(found)}. Please delete it, or choose another NAME in 'store'; "
                "the daemon builds the index anew."
            )
        self.about = about(config)
        self.copies = config.replication_config.factor
        self._open = True
        return True

    def create(self) -> None:
        """Make sure it exists."""
        if not self.exists():
            self._servers.write(self._create)
            if not self.exists():
                raise StoreError(f"The collection {self.name} could not be made.")

    def drop(self) -> None:
        """Delete it and its rows; unknown is fine."""
        self._open = False
        self._servers.write(lambda client: client.collections.delete(self.name))

    def _create(self, client: WeaviateClient) -> None:
        if client.collections.exists(self.name):  # by an attempt of which we heard no more
            return
        replicas = _REPLICAS if len(client.cluster.nodes()) >= _REPLICAS else 1
        client.collections.create(
            self.name, **creation(self._layout, self._expected, replicas=replicas)
        )

    def _config(self, client: WeaviateClient) -> CollectionConfig | None:
        if not client.collections.exists(self.name):
            return None
        return client.collections.use(self.name).config.get()

    def _rows(self, client: WeaviateClient, level: ConsistencyLevel) -> Rows:
        rows = client.collections.use(self.name)
        return rows.with_consistency_level(level) if self.copies > 1 else rows
