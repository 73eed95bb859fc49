"""Reading a Lance table: columns by filter, and the nearest rows with exact distances."""

from collections.abc import Sequence

import pyarrow as pa

from core.records import Hit, Place, Vector
from core.stores import lance_arrow as arrow
from core.stores.exact import nearest, order
from core.stores.lance_tables import Table

_COLUMNS = [*arrow.PLACE_COLUMNS, "digest", "vector"]

_FEW_ROWS = 5_000
"""A scope of no more rows in a larger table is read and compared here: Lance's flat search reads
every vector of the table to answer it, and an index may find too few of its rows."""

_PROBES = 32
_REFINE = 4
"""Clustered rows, 32 probes: 2, 4 and 8 found every neighbour of 100,000, 0.993 to 0.994 of
1,000,000. On 16 numbers, 2 and 3 lost a neighbour in half of the runs of a test, 4 in none of 6."""
_MARGIN = 8
"""Rows asked for beyond k, so that a tie at the k-th place is mostly seen at once."""
_NOISE = 2e-6
"""How far Lance's float32 distances and our rounded ones may lie apart."""


def select(table: Table, columns: Sequence[str], where: str | None = None) -> pa.Table:
    """These columns of the rows that match."""
    query = table.search().select(list(columns))
    return (query if where is None else query.where(where)).to_arrow()


def search(
    table: Table, vector: Vector, k: int, where: str | None = None, total: int | None = None
) -> list[Hit]:
    """The k nearest rows that match, in order. `total` rows are in the table, if that is known."""
    if total is None:
        total = table.count_rows()
    rows = total if where is None else table.count_rows(where)
    if not rows:
        return []
    if rows <= _FEW_ROWS < total:
        return _hits(vector, k, select(table, _COLUMNS, where))
    limit, indexed = k + _MARGIN, True
    while True:
        found = _candidates(table, vector, limit, where, indexed=indexed)
        hits = _hits(vector, k, found)
        if len(found) < min(limit, rows) and indexed:
            indexed = False  # the index cannot find them all: compare with every row
        elif len(found) < limit or _is_complete(found, hits):
            return hits
        else:
            limit *= 4  # ties reach beyond the limit, and their order is by place


def search_roots(table: Table, vector: Vector, k: int, under: Sequence[Place]) -> list[Hit] | None:
    """The k nearest rows of whole roots, found without a filter, which would read every row's root;
    None if other roots' rows stand among them, so that fewer than k are left."""
    total = table.count_rows()
    if total <= _FEW_ROWS:
        return None
    nearest_of_all = search(table, vector, k, total=total)
    within = all(any(above.covers(hit.place) for above in under) for hit in nearest_of_all)
    return nearest_of_all if within else None


def _candidates(
    table: Table, vector: Vector, limit: int, where: str | None, *, indexed: bool
) -> pa.Table:
    query = table.search(vector, vector_column_name="vector").distance_type("cosine")
    query = query.select([*_COLUMNS, "_distance"]).limit(limit)
    if where is not None:
        query = query.where(where, prefilter=True)
    if not indexed:
        query = query.bypass_vector_index()
    else:
        query = query.minimum_nprobes(_PROBES).maximum_nprobes(0).refine_factor(_REFINE)
    return query.to_batches().read_all()  # to_arrow asks twice more for the schema, for blobs


def _hits(vector: Vector, k: int, rows: pa.Table) -> list[Hit]:
    near = nearest(vector, arrow.vectors(rows), k)
    chosen = pa.array([row for row, _ in near], pa.int64())
    rows = rows.select([*arrow.PLACE_COLUMNS, "digest"]).take(chosen)
    distances = (distance for _, distance in near)
    hits = map(Hit, arrow.places(rows), rows["digest"].to_pylist(), distances)
    return sorted(hits, key=order)[:k]


def _is_complete(found: pa.Table, hits: list[Hit]) -> bool:
    return bool(max(found["_distance"].to_pylist()) > hits[-1].distance + _NOISE)
