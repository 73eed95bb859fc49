"""Reading a Lance table: columns by filter, and the nearest rows with exact distances."""

from collections.abc import Sequence

import pyarrow as pa

from core.records import Hit, Place, Vector
from core.stores import lance_arrow as arrow
from core.stores.exact import nearest, order
from core.stores.lance_library import LOOP
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


def search(table: Table, vector: Vector, k: int, total: int, where: str | None = None) -> list[Hit]:
    """The k nearest rows that match, in order; `total` rows are in the table."""
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


def search_roots(
    table: Table, vector: Vector, k: int, under: Sequence[Place], total: int
) -> list[Hit] | None:
    """The k nearest rows of whole roots, found without a filter, which would read every row's root;
    None if other roots' rows stand among them, so that fewer than k are left."""
    if total <= _FEW_ROWS:
        return None
    nearest_of_all = search(table, vector, k, total)
    within = all(any(above.covers(hit.place) for above in under) for hit in nearest_of_all)
    return nearest_of_all if within else None


def _candidates(
    table: Table, vector: Vector, limit: int, where: str | None, *, indexed: bool
) -> pa.Table:
    # Of the asynchronous table under the synchronous one, which takes six turns of its background
    # loop instead of one for each query: 13 ms instead of 9 at 100,000 rows.
    query = table._table.query().nearest_to(vector).column("vector").distance_type("cosine")
    query = query.select([*_COLUMNS, "_distance"]).limit(limit)
    if where is not None:
        query = query.where(where)
    if not indexed:
        query = query.bypass_vector_index()
    else:
        query = query.maximum_nprobes(0).minimum_nprobes(_PROBES).refine_factor(_REFINE)
    found: pa.Table = LOOP.run(query.to_arrow())  # type: ignore[no-untyped-call]
    return found


def _hits(vector: Vector, k: int, rows: pa.Table) -> list[Hit]:
    near = nearest(vector, arrow.vectors(rows), k)
    chosen = pa.array([row for row, _ in near], pa.int64())
    rows = rows.select([*arrow.PLACE_COLUMNS, "digest"]).take(chosen)
    distances = (distance for _, distance in near)
    hits = map(Hit, arrow.places(rows), rows["digest"].to_pylist(), distances)
    return sorted(hits, key=order)[:k]


def _is_complete(found: pa.Table, hits: list[Hit]) -> bool:
    return bool(max(found["_distance"].to_pylist()) > hits[-1].distance + _NOISE)
