"""Rows of writes that nobody saw end.

A server that is killed in the middle of a batch may come back with rows that are in some of its
indexes only: they are counted and no filter matches them, or listed and found by no search. To
write them again as they are does not help, as the server sees that nothing changed. So the writer
notes on the server, before it writes, which rows it is about to write; after a failure, its own or
the server's, these are read as they are, deleted one by one and written anew.
"""

from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager

from core.stores.weaviate_collection import WeaviateCollection
from core.stores.weaviate_notes import Notes

_KEY = "unfinished"


class Doubts:
    """Ids of such rows, by collection."""

    def __init__(self, notes: Notes, open_collection: Callable[[str], WeaviateCollection]) -> None:
        self._notes = notes
        self._open_collection = open_collection
        self._ids: dict[str, set[str]] = {}
        self._noted = False

    def __bool__(self) -> bool:
        return any(self._ids.values())

    def load(self) -> None:
        """What the writer before us left."""
        for collection, ids in (self._notes.read(_KEY) or {}).items():
            self._ids.setdefault(collection, set()).update(ids)
            self._noted = True

    @contextmanager
    def writing(self, rows: Mapping[str, Set[str]]) -> Iterator[None]:
        """These rows, by collection, are being written; in doubt until that has ended well."""
        for collection, ids in rows.items():
            self._ids.setdefault(collection, set()).update(ids)
        self._notes.write(_KEY, {name: sorted(ids) for name, ids in self._ids.items() if ids})
        self._noted = True
        yield
        for collection, ids in rows.items():
            self._ids[collection] -= ids

    def resolve(self) -> None:
        """Make whole whatever is in doubt."""
        for name, ids in list(self._ids.items()):
            if ids:
                self._open_collection(name).renew(sorted(ids))
            del self._ids[name]

    def close(self) -> None:
        """Leave nothing to the next writer if all ended well."""
        if self._noted and not self:
            self._notes.delete(_KEY)
            self._noted = False
