"""The nearest rows of a Weaviate collection, with exact distances."""

import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np

from core.records import Hit, Vector
from core.stores import weaviate_objects as objects
from core.stores.exact import nearest, order
from core.stores.weaviate_client import Filters, Rows
from core.stores.weaviate_collection import WeaviateCollection
from core.stores.weaviate_errors import TooManyResultsError
from core.stores.weaviate_query import Found, query
from core.stores.weaviate_servers import READ_SECONDS

_MARGIN = 8
"""Rows asked for beyond k, so that a tie at the k-th place is mostly seen at once."""
_NOISE = 2e-6
"""How far distances of equal pictures may lie apart once they are rounded."""
_MOST = 10_000
_LEAST_SECONDS = 0.5


class Search:
    """Searches one collection, and remembers how many rows the server gives at once."""

    def __init__(self, collection: WeaviateCollection) -> None:
        self._collection = collection
        self._most = _MOST

    def __call__(self, vector: Vector, k: int, where: Filters | None) -> list[Hit]:
        """The k nearest rows that match, in order."""
        limit = k + _MARGIN
        deadline = time.monotonic() + READ_SECONDS
        while True:
            limit = min(limit, self._most)
            try:
                found = self._candidates(vector, k, limit, where, deadline)
            except TooManyResultsError:
                if limit == 1:
                    raise
                self._most = limit // 2
                continue
            rows = list({each.uuid: each for each in found.rows}.values())
            hits = _hits(vector, limit, rows) if rows else []
            cut = [rows[-1] for rows in found.lists if len(rows) >= limit]
            if not cut and where is None:
                # The graph does not lead to every row; with a filter that lets few enough rows
                # through, which every one does here, the server compares them all.
                where = objects.slots_filter(0, objects.SLOTS)
            elif not cut or limit == self._most or _is_complete(vector, hits, k, cut):
                return hits[:k]
            else:
                limit *= 4  # ties reach beyond the limit, and their order is by place

    def _candidates(
        self, vector: Vector, k: int, limit: int, where: Filters | None, deadline: float
    ) -> Found:
        near: Any = vector  # numpy is taken, whatever the annotations say

        def find(rows: Rows, **returned: Any) -> Any:
            return rows.query.near_vector(near_vector=near, limit=limit, filters=where, **returned)

        def nearest_ids(rows: Sequence[Any]) -> list[UUID]:
            return [rows[row].uuid for row, _ in _nearest(vector, rows, k)] if rows else []

        return query(
            self._collection,
            find,
            properties=[*objects.PLACE, "digest"],
            vectors=True,
            seconds=max(_LEAST_SECONDS, deadline - time.monotonic()),
            where=where,
            matter=nearest_ids,
        )


def _nearest(vector: Vector, found: Sequence[Any], k: int) -> list[tuple[int, float]]:
    # Computed here, in float64 and from the vectors as they were written: the same to the last
    # digit as every other store, whatever the server's index makes of them.
    return nearest(vector, np.stack([objects.to_vector(each) for each in found]), k)


def _hits(vector: Vector, k: int, found: Sequence[Any]) -> list[Hit]:
    hits = (
        Hit(objects.to_place(found[row]), found[row].properties["digest"], distance)
        for row, distance in _nearest(vector, found, k)
    )
    return sorted(hits, key=order)[:k]


def _is_complete(vector: Vector, hits: list[Hit], k: int, ends: list[Any]) -> bool:
    """Whether all that lies beyond the ends of the lists is too far away to tie with the k-th."""
    return len(hits) >= k and all(
        distance > hits[k - 1].distance + _NOISE
        for _, distance in _nearest(vector, ends, len(ends))
    )
