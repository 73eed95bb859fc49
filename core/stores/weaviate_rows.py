"""The rows of one embedder in a Weaviate collection."""

import heapq
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from core.records import Hit, ImageId, ImageRecord, IndexedStamp, Place, Vector
from core.stores import weaviate_objects as objects
from core.stores.exact import check_records, check_vector, order
from core.stores.scopes import chunks
from core.stores.weaviate_client import Filters
from core.stores.weaviate_collection import WeaviateCollection
from core.stores.weaviate_counts import RootCounts, count
from core.stores.weaviate_doubts import Doubts
from core.stores.weaviate_listing import Listing
from core.stores.weaviate_search import Search
from core.stores.weaviate_thumbnails import WeaviateThumbnails
from core.stores.weaviate_writer import Writer

_ROWS_PER_WRITE = 500
"""Larger batches are no faster, and a server that is stopped keeps the writer waiting longer."""
_IDS_PER_CALL = 500


class WeaviateStore:
    """A VectorStore over one collection."""

    def __init__(
        self,
        collection: WeaviateCollection,
        thumbnails: WeaviateThumbnails,
        writer: Writer,
        doubts: Doubts,
        *,
        dim: int,
        digests_in_use: Callable[[list[str]], set[str]],
        alone: bool,
    ) -> None:
        """`dim`: 0 where only the collection knows. `digests_in_use`: which of them any row of
        any embedder has. `alone`: nobody but this process writes."""
        self._dim = dim
        self._collection = collection
        self._thumbnails = thumbnails
        self._writer = writer
        self._doubts = doubts
        self._digests_in_use = digests_in_use
        self._listing = Listing(collection)
        self._search = Search(collection)
        self._counts = RootCounts(collection, alone=alone)

    @property
    def dim(self) -> int:
        """See VectorStore."""
        return self._dim or int(self._collection.about.get("dim", 0))

    def exists(self) -> bool:
        """Whether the collection was there when it was last seen."""
        return self._collection.exists()

    def upsert(self, records: Sequence[ImageRecord]) -> None:
        """See VectorStore."""
        check_records(records, self.dim)
        if not records:
            return
        jpegs: dict[str, bytes] = {}
        for record in records:
            if record.thumbnail is not None:
                jpegs.setdefault(record.digest, record.thumbnail)
        rows = list({record.id: record for record in records}.values())
        ids = {row.id for row in rows}
        with (
            self._writer.writing(),
            self._counts.changing({row.place.root for row in rows}),
        ):
            in_doubt = self._doubts.of(self._collection.name) & ids
            with self._doubts.writing(self._collection.name, set(ids)):
                self._thumbnails.add(jpegs)
                if in_doubt:
                    self._collection.delete(list(in_doubt))
                for some in chunks(rows, _ROWS_PER_WRITE):
                    self._collection.insert([objects.to_object(record) for record in some])
                self._collection.settle()
            self._thumbnails.may_have_orphans()

    def delete(self, ids: Collection[ImageId]) -> None:
        """See VectorStore."""
        if not ids:
            return
        with self._writer.writing():
            for some in chunks(list(dict.fromkeys(ids)), _IDS_PER_CALL):
                found = self._listing.all(objects.ids_filter(some), ["root"])
                with self._counts.changing({row.properties["root"] for row in found}):
                    self._collection.delete(some)
            self._thumbnails.may_have_orphans()

    def search(self, vector: Vector, k: int, under: Sequence[Place] | None = None) -> list[Hit]:
        """See VectorStore."""
        if self._dim or self._collection.exists():
            check_vector(vector, self.dim)
        found = [self._search(vector, k, where) for where in _scopes(under)]
        return list(heapq.merge(*found, key=order))[:k]

    def get(self, ids: Collection[ImageId]) -> dict[ImageId, ImageRecord]:
        """See VectorStore."""
        found: dict[ImageId, ImageRecord] = {}
        for some in chunks(list(dict.fromkeys(ids)), _IDS_PER_CALL):
            where = objects.ids_filter(some)
            for row in self._listing.all(where, objects.STAMP, vectors=True):
                found[ImageId(str(row.uuid))] = objects.to_record(row)
        return found

    def locate(
        self, digests: Collection[str], under: Sequence[Place] | None = None
    ) -> dict[str, list[Place]]:
        """See VectorStore."""
        found: dict[str, list[Place]] = {}
        for some in chunks(list(dict.fromkeys(digests)), _IDS_PER_CALL):
            for row in self._listing.all(objects.digests_filter(some), [*objects.PLACE, "digest"]):
                place = objects.to_place(row)
                if under is None or any(above.covers(place) for above in under):
                    found.setdefault(row.properties["digest"], []).append(place)
        return {digest: sorted(places) for digest, places in found.items()}

    def count(self, under: Sequence[Place] | None = None) -> int:
        """See VectorStore."""
        return sum(count(self._collection, where) for where in _scopes(under))

    def stamps(self, under: Sequence[Place] | None = None) -> Mapping[Place, IndexedStamp]:
        """See VectorStore."""
        in_doubt = self._doubts.of(self._collection.name)
        found: dict[Place, IndexedStamp] = {}
        for where in _scopes(under):
            for row in self._listing.all(where, objects.STAMP):
                stamp = objects.to_stamp(row)
                if in_doubt and str(row.uuid) in in_doubt:
                    stamp = stamp._replace(racy=True)  # to be looked at again
                found[objects.to_place(row)] = stamp
        return found

    def roots(self) -> dict[str, int]:
        """See VectorStore."""
        return self._counts.read()

    def find_vectors(self, digests: Collection[str]) -> dict[str, Vector]:
        """See VectorStore."""
        wanted = list(dict.fromkeys(digests))
        return {
            row.properties["digest"]: objects.to_vector(row)
            for row in self._listing.one_of_each(wanted, vectors=True)
        }

    def thumbnails(self, digests: Collection[str]) -> dict[str, bytes]:
        """See VectorStore."""
        return self._thumbnails.read(digests)

    def maintain(self) -> None:
        """See VectorStore."""
        with self._writer.writing():
            self._thumbnails.sweep(self._digests_in_use)


def _scopes(under: Sequence[Place] | None) -> Iterator[Filters | None]:
    return iter([None]) if under is None else objects.scope_filters(under)
