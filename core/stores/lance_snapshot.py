"""A small table in memory: what a process that only reads keeps between two searches."""

import threading
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from core.records import Hit, Place, Vector
from core.stores import lance_arrow as arrow
from core.stores.exact import nearest, order
from core.stores.lance_search import select
from core.stores.lance_tables import Table

MOST_ROWS = 20_000
"""31 MB of vectors at 384 numbers, compared in 2 ms; beyond, reading the table again at each of its
changes costs more than it saves."""
_COLUMNS = [*arrow.PLACE_COLUMNS, "digest", "vector"]


class Snapshot:
    """All rows as they were at one version of the table."""

    def __init__(self, table: Table) -> None:
        rows = select(table, _COLUMNS)
        self._places = arrow.places(rows)
        self._digests: list[str] = rows["digest"].to_pylist()
        self._vectors = arrow.vectors(rows)
        self._by_digest: dict[str, list[int]] = {}
        for row, digest in enumerate(self._digests):
            self._by_digest.setdefault(digest, []).append(row)

    def search(self, vector: Vector, k: int, under: Sequence[Place] | None) -> list[Hit]:
        """See VectorStore."""
        rows = [row for row, place in enumerate(self._places) if _within(place, under)]
        everything = len(rows) == len(self._places)
        vectors = self._vectors if everything else self._vectors[np.array(rows, np.intp)]
        hits = [
            Hit(self._places[rows[n]], self._digests[rows[n]], distance)
            for n, distance in nearest(vector, vectors, k)
        ]
        return sorted(hits, key=order)[:k]

    def find_vectors(self, digests: Collection[str]) -> dict[str, Vector]:
        """See VectorStore."""
        known = (digest for digest in digests if digest in self._by_digest)
        return {digest: self._vectors[self._by_digest[digest][0]] for digest in known}

    def locate(
        self, digests: Collection[str], under: Sequence[Place] | None
    ) -> dict[str, list[Place]]:
        """See VectorStore."""
        found = {}
        for digest in digests:
            places = (self._places[row] for row in self._by_digest.get(digest, []))
            if within := sorted(place for place in places if _within(place, under)):
                found[digest] = within
        return found


_Version = tuple[int, int, int]


class SnapshotKeeper:
    """Hands out the snapshot of the version that the table has now, once it pays."""

    def __init__(self, folder: Path) -> None:
        """`folder` is the table's."""
        self._versions = folder / "_versions"
        self._lock = threading.Lock()
        self._seen: _Version | None = None
        self._kept: tuple[_Version, Snapshot] | None = None
        self._large: tuple[_Version, int] | None = None

    def of(self, table: Table) -> Snapshot | int | None:
        """The number of rows instead if they are too many; None for a table that has changed since
        it was last asked for: while it is being written to, reading all of it for every search
        would not pay."""
        # A table dropped and made anew counts its versions from 1 again: hence the folder's stat,
        # whose time every commit changes.
        status = self._versions.stat()
        version = int(table.version), status.st_ino, status.st_mtime_ns
        with self._lock:
            for known in (self._kept, self._large):
                if known and known[0] == version:
                    return known[1]
            self._kept = self._large = None
            quiet, self._seen = self._seen == version, version
            if not quiet:
                return None
            rows = int(table.count_rows())
            if rows > MOST_ROWS:
                self._large = version, rows
                return rows
            self._kept = version, Snapshot(table)
            return self._kept[1]


def _within(place: Place, under: Sequence[Place] | None) -> bool:
    return under is None or any(above.covers(place) for above in under)
