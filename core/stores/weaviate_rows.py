"""The rows of one embedder in a Weaviate collection."""

import heapq
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

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
        self._alone = alone
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
        ids: set[str] = {row.id for row in rows}
        with self._writing({row.place.root for row in rows}), self._new(jpegs, ids):
            for some in chunks(rows, _ROWS_PER_WRITE):
                self._collection.insert([objects.to_object(record) for record in some])
            self._collection.settle()

    def delete(self, ids: Collection[ImageId]) -> None:
        """See VectorStore."""
        if not ids:
            return
        for some in chunks(list(dict.fromkeys(ids)), _IDS_PER_CALL):
            found = self._listing.all(objects.ids_filter(some), ["root"])
            roots = {row.properties["root"] for row in found}
            deleted = {self._collection.name: set[str](some)}
            with self._writing(roots), self._doubts.writing(deleted):
                self._collection.delete(some)

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
        found: dict[str, set[Place]] = {}
        for some in chunks(list(dict.fromkeys(digests)), _IDS_PER_CALL):
            for row in self._listing.all(objects.digests_filter(some), [*objects.PLACE, "digest"]):
                place = objects.to_place(row)
                if under is None or any(above.covers(place) for above in under):
                    found.setdefault(row.properties["digest"], set()).add(place)
        return {digest: sorted(places) for digest, places in found.items()}

    def count(self, under: Sequence[Place] | None = None) -> int:
        """See VectorStore."""
        return sum(count(self._collection, where) for where in _scopes(under))

    def stamps(self, under: Sequence[Place] | None = None) -> Mapping[Place, IndexedStamp]:
        """See VectorStore."""
        if self._doubts and self._alone:
            with self._writing(set()):
                pass  # what is listed must also be found
        return {
            objects.to_place(row): objects.to_stamp(row)
            for where in _scopes(under)
            for row in self._listing.all(where, objects.STAMP)
        }

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

    def rows(self) -> Iterator[list[ImageRecord]]:
        """See VectorStore."""
        for some in self._listing.pieces(objects.STAMP):
            yield list(map(objects.to_record, some))

    def add_thumbnails(self, thumbnails: Mapping[str, bytes]) -> None:
        """See VectorStore."""
        with self._writing(set()), self._new(thumbnails, set()):
            pass

    def maintain(self) -> None:
        """See VectorStore."""
        with self._writing(set()):
            self._thumbnails.sweep(self._digests_in_use)

    @contextmanager
    def _new(self, jpegs: Mapping[str, bytes], ids: set[str]) -> Iterator[None]:
        """Thumbnails that are not there yet are written, and these rows are being written; both in
        doubt until that has ended well. What is there already is never in doubt: to resolve one, it
        is deleted for a moment, and whoever searches meanwhile would miss it."""
        lacking = self._thumbnails.lacking(jpegs)
        written: dict[str, set[str]] = {
            self._collection.name: ids,
            self._thumbnails.collection: set(map(str, map(objects.thumbnail_id, lacking))),
        }
        with self._doubts.writing(written):
            self._thumbnails.write(lacking)
            yield

    @contextmanager
    def _writing(self, roots: set[str]) -> Iterator[None]:
        """One write at a time, to rows of these roots, after what the last one may have left."""
        with self._writer.writing(), self._counts.changing(roots):
            if self._doubts:
                self._doubts.resolve()
            yield
            if roots:
                self._thumbnails.may_have_orphans()


def _scopes(under: Sequence[Place] | None) -> Iterator[Filters | None]:
    return iter([None]) if under is None else objects.scope_filters(under)
