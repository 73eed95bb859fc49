"""The nearest rows of a Weaviate collection, with exact distances."""

from typing import Any

import numpy as np

from core.records import Hit, Vector
from core.stores import weaviate_objects as objects
from core.stores.exact import nearest, order
from core.stores.weaviate_client import Filters, Rows
from core.stores.weaviate_collection import WeaviateCollection
from core.stores.weaviate_errors import TooManyResultsError

_MARGIN = 8
"""Rows asked for beyond k, so that a tie at the k-th place is mostly seen at once."""
_NOISE = 2e-6
"""How far distances of equal pictures may lie apart once they are rounded."""
_MOST = 10_000


class Search:
    """Searches one collection, and remembers how many rows the server gives at once."""

    def __init__(self, collection: WeaviateCollection) -> None:
        self._collection = collection
        self._most = _MOST

    def __call__(self, vector: Vector, k: int, where: Filters | None) -> list[Hit]:
        """The k nearest rows that match, in order."""
        limit = k + _MARGIN
        hits: list[Hit] = []
        while True:
            limit = min(limit, self._most)
            try:
                found = self._candidates(vector, limit, where)
            except TooManyResultsError:
                if limit == 1:
                    raise
                self._most = limit // 2
                continue
            hits = _hits(vector, k, list({each.uuid: each for each in found}.values()))
            if len(found) < limit and where is None:
                # The graph does not lead to every row; with a filter that lets few enough rows
                # through, which every one does here, the server compares them all.
                where = objects.slots_filter(0, objects.SLOTS)
            elif len(found) < limit or limit == self._most or _is_complete(vector, found, hits):
                return hits
            else:
                limit *= 4  # ties reach beyond the limit, and their order is by place

    def _candidates(self, vector: Vector, limit: int, where: Filters | None) -> list[Any]:
        query: Any = vector  # numpy is taken, whatever the annotations say

        def act(rows: Rows) -> list[Any]:
            return rows.query.near_vector(
                near_vector=query,
                limit=limit,
                filters=where,
                include_vector=True,
                return_properties=[*objects.PLACE, "digest"],
            ).objects

        return self._collection.read(act, list[Any]())


def _hits(vector: Vector, k: int, found: list[Any]) -> list[Hit]:
    if not found:
        return []
    # Computed here, in float64 and from the vectors as they were written: the same to the last
    # digit as every other store, whatever the server's index makes of them.
    near = nearest(vector, np.stack([objects.to_vector(each) for each in found]), k)
    hits = (
        Hit(objects.to_place(found[row]), found[row].properties["digest"], distance)
        for row, distance in near
    )
    return sorted(hits, key=order)[:k]


def _is_complete(vector: Vector, found: list[Any], hits: list[Hit]) -> bool:
    farthest = nearest(vector, objects.to_vector(found[-1])[None], 1)[0][1]
    return farthest > hits[-1].distance + _NOISE
