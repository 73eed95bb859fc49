"""The rows of one embedder in a Lance table."""

import heapq
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from core.errors import StoreError
from core.records import Hit, ImageId, ImageRecord, IndexedStamp, Place, Vector
from core.stores import lance_arrow as arrow
from core.stores.exact import check_records, check_vector, order
from core.stores.lance_errors import store_error
from core.stores.lance_search import search, search_roots, select
from core.stores.lance_snapshot import Snapshot, SnapshotKeeper
from core.stores.lance_sql import at_or_below, matching
from core.stores.lance_stamps import PackedStamps
from core.stores.lance_tables import LanceTables, Table
from core.stores.lance_thumbnails import ThumbnailFolder
from core.stores.lance_upkeep import Upkeep

_log = logging.getLogger(__name__)

TABLE_PREFIX = "images_"
_MOST_UNPACKED = 10_000
_PIECE = 4_096


class LanceStore:
    """A VectorStore over one table."""

    def __init__(
        self,
        tables: LanceTables,
        thumbnails: ThumbnailFolder,
        *,
        table: str,
        schema: pa.Schema,
        index_from: int,
        keep_snapshot: bool = False,
    ) -> None:
        """`keep_snapshot`: keep a small table in memory between searches; for readers."""
        self.dim: int = schema.field("vector").type.list_size
        self._tables = tables
        self._thumbnails = thumbnails
        self._name = table
        self._schema = schema
        self._upkeep = Upkeep(index_from=index_from)
        self._may_have_orphans = True
        self._snapshots = (
            SnapshotKeeper(tables.folder / f"{table}.lance") if keep_snapshot else None
        )

    def upsert(self, records: Sequence[ImageRecord]) -> None:
        """See VectorStore."""
        check_records(records, self.dim)
        if not records:
            return
        # The last record of an id wins; Lance would store both.
        rows = arrow.to_arrow(list({r.id: r for r in records}.values()), self._schema)
        jpegs: dict[str, bytes] = {}
        for record in records:
            if record.thumbnail is not None:
                jpegs.setdefault(record.digest, record.thumbnail)
        with self._tables.writing():
            self._thumbnails.add(jpegs)
            self._tables.write(self._name, partial(_merge, rows=rows))
            self._written()

    def delete(self, ids: Collection[ImageId]) -> None:
        """See VectorStore."""
        if not ids:
            return
        with self._tables.writing():
            for matches in matching("id", ids):
                self._tables.write(self._name, partial(_delete, where=matches))
            self._written()

    def search(self, vector: Vector, k: int, under: Sequence[Place] | None = None) -> list[Hit]:
        """See VectorStore."""
        if not self.dim:
            return []  # the writer has not created the table yet
        check_vector(vector, self.dim)
        scopes = _scopes(under)

        def act(table: Table) -> list[Hit]:
            seen = self._snapshots.of(table) if self._snapshots else None
            if isinstance(seen, Snapshot):
                return seen.search(vector, k, under)
            total = int(table.count_rows()) if seen is None else seen
            if under and not any(above.path for above in under):
                whole = search_roots(table, vector, k, under, total)
                if whole is not None:
                    return whole
            found = [search(table, vector, k, total, scope) for scope in scopes]
            return list(heapq.merge(*found, key=order))[:k]

        return self._tables.read(self._name, act, [])

    def get(self, ids: Collection[ImageId]) -> dict[ImageId, ImageRecord]:
        """See VectorStore."""
        found: dict[ImageId, ImageRecord] = {}
        for rows in self._select(arrow.ROW_COLUMNS, matching("id", ids)):
            found.update(arrow.records(rows))
        return found

    def locate(
        self, digests: Collection[str], under: Sequence[Place] | None = None
    ) -> dict[str, list[Place]]:
        """See VectorStore."""

        def act(table: Table) -> dict[str, list[Place]]:
            if snapshot := self._snapshot(table):
                return snapshot.locate(digests, under)
            found: dict[str, list[Place]] = {}
            for scope in matching("digest", digests):
                rows = select(table, [*arrow.PLACE_COLUMNS, "digest"], scope)
                places = zip(arrow.places(rows), rows["digest"].to_pylist(), strict=True)
                for place, digest in places:
                    if under is None or any(above.covers(place) for above in under):
                        found.setdefault(digest, []).append(place)
            return {digest: sorted(places) for digest, places in found.items()}

        return self._tables.read(self._name, act, {})

    def count(self, under: Sequence[Place] | None = None) -> int:
        """See VectorStore."""
        scopes = _scopes(under)
        return self._tables.read(
            self._name, lambda table: sum(map(table.count_rows, scopes)), missing=0
        )

    def stamps(self, under: Sequence[Place] | None = None) -> Mapping[Place, IndexedStamp]:
        """See VectorStore."""
        parts = list(self._select(arrow.STAMP_COLUMNS, _scopes(under)))
        if sum(map(len, parts)) > _MOST_UNPACKED:
            return PackedStamps(parts)
        found: dict[Place, IndexedStamp] = {}
        for rows in parts:
            found.update(zip(arrow.places(rows), arrow.stamps(rows), strict=True))
        return found

    def roots(self) -> dict[str, int]:
        """See VectorStore."""
        (rows,) = self._select(["root"], [None])
        counts = rows["root"].value_counts()
        return dict(zip(*(field.to_pylist() for field in counts.flatten()), strict=True))

    def find_vectors(self, digests: Collection[str]) -> dict[str, Vector]:
        """See VectorStore."""

        def act(table: Table) -> dict[str, Vector]:
            if snapshot := self._snapshot(table):
                return snapshot.find_vectors(digests)
            found: dict[str, Vector] = {}
            for scope in matching("digest", digests):
                rows = select(table, ["digest", "vector"], scope)
                found.update(zip(rows["digest"].to_pylist(), arrow.vectors(rows), strict=True))
            return found

        return self._tables.read(self._name, act, {})

    def thumbnails(self, digests: Collection[str]) -> dict[str, bytes]:
        """See VectorStore."""
        try:
            return self._thumbnails.read(digests)
        except OSError as error:
            raise store_error("read", self._tables.folder, error) from error

    def rows(self) -> Iterator[list[ImageRecord]]:
        """See VectorStore."""
        for piece in self._tables.pieces(self._name, arrow.ROW_COLUMNS, _PIECE):
            yield list(arrow.to_records(piece))

    def add_thumbnails(self, thumbnails: Mapping[str, bytes]) -> None:
        """See VectorStore."""
        with self._tables.writing():
            self._thumbnails.add(thumbnails)

    def maintain(self) -> None:
        """See VectorStore."""
        with self._tables.writing():
            self._tables.write(self._name, self._upkeep.when_quiet)
            if self._may_have_orphans:
                self._delete_orphaned_thumbnails()

    def rebuild_index(self) -> None:
        """Make the vector index anew, whether or not it is due; `maintain` does it when it is."""
        with self._tables.writing():
            self._tables.write(self._name, self._upkeep.rebuild)

    def _delete_orphaned_thumbnails(self) -> None:
        live = [
            self._tables.read(name, _digests, missing=pa.array([], pa.string()))
            for name in self._tables.names(TABLE_PREFIX)
        ]
        stored = pa.array(self._thumbnails.digests(), pa.string())
        needed = pc.is_in(stored, value_set=pa.concat_arrays(live))
        self._thumbnails.delete(stored.filter(pc.invert(needed)).to_pylist())
        self._may_have_orphans = False

    def _written(self) -> None:
        self._may_have_orphans = True
        try:
            self._tables.write(self._name, self._upkeep.after_write)
        except StoreError:  # the rows are written, and that is what was asked
            _log.exception("the index could not be compacted")

    def _snapshot(self, table: Table) -> Snapshot | None:
        seen = self._snapshots.of(table) if self._snapshots else None
        return seen if isinstance(seen, Snapshot) else None

    def _select(self, columns: list[str], scopes: Iterable[str | None]) -> Iterator[pa.Table]:
        empty = self._schema.empty_table().select(columns)
        for scope in scopes:
            act = partial(select, columns=columns, where=scope)
            yield self._tables.read(self._name, act, empty)


def _scopes(under: Sequence[Place] | None) -> list[str | None]:
    return [None] if under is None else list(at_or_below(under))


def _merge(table: Table, rows: pa.Table) -> None:
    merge = table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
    # Without an index on id, now and for ever: Lance has lost updates by one (lance #7596, #7230).
    merge.use_index(use_index=False).execute(rows)


def _delete(table: Table, where: str) -> None:
    table.delete(where)


def _digests(table: Table) -> pa.Array:
    return select(table, ["digest"])["digest"].combine_chunks()
