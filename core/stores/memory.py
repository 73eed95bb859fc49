"""The store in memory: the executable specification of every other store."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from core.records import Hit, ImageId, ImageRecord, IndexedStamp, Place, Vector
from core.stores import Catalogue, Holding, checked_catalogue
from core.stores.exact import check_records, check_vector, nearest, order
from core.stores.scopes import chunks

_PIECE = 1_000

_Key = tuple[str, str]


class MemoryDatabase:
    """A Database that lives as long as its process."""

    address = "memory:"

    def __init__(self) -> None:
        self._catalogue: Catalogue | None = None
        self._stores: dict[_Key, MemoryStore] = {}
        self._thumbnails: dict[str, bytes] = {}

    def catalogue(self) -> Catalogue | None:
        """See Database."""
        return self._catalogue and checked_catalogue(self._catalogue, self.address)

    def claim(self) -> None:
        """See Database."""

    def write_catalogue(self, catalogue: Catalogue) -> None:
        """See Database."""
        self._catalogue = catalogue

    def vectors(
        self, name: str, dim: int | None = None, *, edition: str | None = None
    ) -> "MemoryStore":
        """See Database."""
        key = self._key(name, edition)
        if dim is None:
            return self._stores.get(key) or MemoryStore(0, self._stores, self._thumbnails)
        return self._stores.setdefault(key, MemoryStore(dim, self._stores, self._thumbnails))

    def drop(self, name: str) -> None:
        """See Database."""
        self._drop(self._key(name, None))

    def holdings(self) -> list[Holding]:
        """See Database."""
        roles = self._catalogue.roles if self._catalogue else {}
        return [
            Holding("/".join(key), key[0], len(store.records), None, roles.get(key, "leftover"))
            for key, store in self._stores.items()
        ]

    def sweep(self) -> None:
        """See Database."""
        if self._catalogue:
            for key in self._stores.keys() - self._catalogue.roles.keys():
                self._drop(key)

    def _key(self, name: str, edition: str | None) -> _Key:
        if edition is None:
            edition = self._catalogue.edition_of(name) if self._catalogue else ""
        return name, edition

    def _drop(self, key: _Key) -> None:
        if store := self._stores.pop(key, None):
            store.records.clear()

    def close(self) -> None:
        """See Database."""


class MemoryStore:
    """A VectorStore over a dict."""

    def __init__(
        self, dim: int, stores: Mapping[_Key, "MemoryStore"], thumbnails: dict[str, bytes]
    ) -> None:
        self.dim = dim
        self.records: dict[ImageId, ImageRecord] = {}
        self._stores = stores
        self._thumbnails = thumbnails

    def upsert(self, records: Sequence[ImageRecord]) -> None:
        """See VectorStore."""
        check_records(records, self.dim)
        for record in records:
            if record.thumbnail is not None:
                self._thumbnails.setdefault(record.digest, record.thumbnail)
            self.records[record.id] = replace(record, thumbnail=None)

    def delete(self, ids: Collection[ImageId]) -> None:
        """See VectorStore."""
        for image_id in ids:
            self.records.pop(image_id, None)

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
        return {image_id: self.records[image_id] for image_id in ids if image_id in self.records}

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
        for row in self.records.values():
            counts[row.place.root] = counts.get(row.place.root, 0) + 1
        return counts

    def find_vectors(self, digests: Collection[str]) -> dict[str, Vector]:
        """See VectorStore."""
        wanted = set(digests)
        return {row.digest: row.vector for row in self.records.values() if row.digest in wanted}

    def thumbnails(self, digests: Collection[str]) -> dict[str, bytes]:
        """See VectorStore."""
        return {d: self._thumbnails[d] for d in digests if d in self._thumbnails}

    def rows(self) -> Iterator[list[ImageRecord]]:
        """See VectorStore."""
        return map(list, chunks(list(self.records.values()), _PIECE))

    def add_thumbnails(self, thumbnails: Mapping[str, bytes]) -> None:
        """See VectorStore."""
        for digest, jpeg in thumbnails.items():
            self._thumbnails.setdefault(digest, jpeg)

    def maintain(self) -> None:
        """See VectorStore."""
        live = {row.digest for store in self._stores.values() for row in store.records.values()}
        for digest in self._thumbnails.keys() - live:
            del self._thumbnails[digest]

    def _under(self, under: Sequence[Place] | None) -> list[ImageRecord]:
        rows = list(self.records.values())
        if under is None:
            return rows
        return [row for row in rows if any(place.covers(row.place) for place in under)]
