"""Rows of writes that nobody saw end.

A server that is killed in the middle of a batch may come back with the rows and without their
vectors: they are listed, and no search finds them. To write them again as they are does not help,
as the server sees that nothing changed. So the writer notes, before it writes, which rows it is
about to write; after a failure, its own or the server's, it shows them as rows to be looked at
again, and deletes them before it writes them anew.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from core.stores.weaviate_notes import Notes

_KEY = "unfinished"


class Doubts:
    """Ids of such rows by collection; on the server too, for the next writer."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._ids: dict[str, set[str]] = {}
        self._noted = False

    def load(self) -> None:
        """What the writer before us left."""
        for collection, ids in (self._notes.read(_KEY) or {}).items():
            self._ids.setdefault(collection, set()).update(ids)
            self._noted = True

    def of(self, collection: str) -> frozenset[str]:
        """Ids of rows that may lack their vectors."""
        return frozenset(self._ids.get(collection, ()))

    @contextmanager
    def writing(self, collection: str, ids: set[str]) -> Iterator[None]:
        """These rows are being written; in doubt until that has ended well."""
        before = self._ids.setdefault(collection, set())
        before |= ids
        self._notes.write(_KEY, {name: sorted(rows) for name, rows in self._ids.items() if rows})
        self._noted = True
        yield
        self._ids[collection] = self._ids.get(collection, set()) - ids

    def forget(self, collection: str) -> None:
        """The rows are gone."""
        self._ids.pop(collection, None)

    def close(self) -> None:
        """Leave nothing to the next writer if all ended well."""
        if self._noted and not any(self._ids.values()):
            self._notes.delete(_KEY)
            self._noted = False
