"""The store in memory: the executable specification of every other store."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from core.records import Hit, ImageId, ImageRecord, IndexedStamp, Place, Vector
from core.stores import Catalogue, checked_catalogue
from core.stores.exact import check_records, check_vector, nearest, order


class MemoryDatabase:
    """A Database that lives as long as its process."""

    address = "memory:"

    def __init__(self) -> None:
        self._catalogue: Catalogue | None = None
        self._stores: dict[str, MemoryStore] = {}
        self._thumbnails: dict[str, bytes] = {}

    def catalogue(self) -> Catalogue | None:
        """See Database."""
        return self._catalogue and checked_catalogue(self._catalogue, self.address)

    def claim(self) -> None:
        """See Database."""

    def write_catalogue(self, catalogue: Catalogue) -> None:
        """See Database."""
        self._catalogue = catalogue

    def vectors(self, name: str, dim: int | None = None) -> "MemoryStore":
        """See Database."""
        if dim is None:
            return self._stores.get(name) or MemoryStore(0, self._stores, self._thumbnails)
        return self._stores.setdefault(name, MemoryStore(dim, self._stores, self._thumbnails))

    def drop(self, name: str) -> None:
        """See Database."""
        if store := self._stores.pop(name, None):
            store.rows.clear()

    def close(self) -> None:
        """See Database."""


class MemoryStore:
    """A VectorStore over a dict."""

    def __init__(
        self, dim: int, stores: Mapping[str, "MemoryStore"], thumbnails: dict[str, bytes]
    ) -> None:
        self.dim = dim
        self.rows: dict[ImageId, ImageRecord] = {}
        self._stores = stores
        self._thumbnails = thumbnails

    def upsert(self, records: Sequence[ImageRecord]) -> None:
        """See VectorStore."""
        check_records(records, self.dim)
        for record in records:
            if record.thumbnail is not None:
                self._thumbnails.setdefault(record.digest, record.thumbnail)
            self.rows[record.id] = replace(record, thumbnail=None)

    def delete(self, ids: Collection[ImageId]) -> None:
        """See VectorStore."""
        for image_id in ids:
            self.rows.pop(image_id, None)

    def search(self, vector: Vector, k: int, under: Sequence[Place] | None = None) -> list[Hit]:
        """See VectorStore."""
        check_vector(vector, self.dim)
        rows = self._under(under)
        if not rows:
            return []
        vectors = np.stack([row.vector for row in rows])
        hits = (Hit(rows[i].place, rows[i].digest, d) for i, d in nearest(vector, vectors, k))
        return sorted(hits, key=order)[:k]

    def get(self, ids: Collection[ImageId]) -> dict[ImageId, ImageRecord]:
        """See VectorStore."""
        return {image_id: self.rows[image_id] for image_id in ids if image_id in self.rows}

    def locate(
        self, digests: Collection[str], under: Sequence[Place] | None = None
    ) -> dict[str, list[Place]]:
        """See VectorStore."""
        wanted, found = set(digests), dict[str, list[Place]]()
        for row in sorted(self._under(under), key=lambda row: row.place):
            if row.digest in wanted:
                found.setdefault(row.digest, []).append(row.place)
        return found

    def count(self, under: Sequence[Place] | None = None) -> int:
        """See VectorStore."""
        return len(self._under(under))

    def stamps(self, under: Sequence[Place] | None = None) -> Mapping[Place, IndexedStamp]:
        """See VectorStore."""
        return {
            row.place: IndexedStamp(row.stamp, row.digest, row.racy) for row in self._under(under)
        }

    def roots(self) -> dict[str, int]:
        """See VectorStore."""
        counts: dict[str, int] = {}
        for row in self.rows.values():
            counts[row.place.root] = counts.get(row.place.root, 0) + 1
        return counts

    def find_vectors(self, digests: Collection[str]) -> dict[str, Vector]:
        """See VectorStore."""
        wanted = set(digests)
        return {row.digest: row.vector for row in self.rows.values() if row.digest in wanted}

    def thumbnails(self, digests: Collection[str]) -> dict[str, bytes]:
        """See VectorStore."""
        return {d: self._thumbnails[d] for d in digests if d in self._thumbnails}

    def maintain(self) -> None:
        """See VectorStore."""
        live = {row.digest for store in self._stores.values() for row in store.rows.values()}
        for digest in self._thumbnails.keys() - live:
            del self._thumbnails[digest]

    def _under(self, under: Sequence[Place] | None) -> list[ImageRecord]:
        rows = list(self.rows.values())
        if under is None:
            return rows
        return [row for row in rows if any(place.covers(row.place) for place in under)]
