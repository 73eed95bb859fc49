"""A search of two servers, where one lists what was deleted and lacks what was written."""

from collections.abc import Iterable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import numpy as np
import pytest

from core.records import Vector
from core.stores.weaviate_collection import WeaviateCollection
from core.stores.weaviate_search import Search
from tests.core.stores.replicas import Replicas


@dataclass
class Server:
    """The copies of one server: rows by name, ever farther from the query."""

    names: list[str]

    @property
    def query(self) -> "Server":
        """As the client has it."""
        return self

    def near_vector(self, *, limit: int, **_: object) -> Any:
        """The nearest."""
        nearest = sorted(self.names, key=lambda name: float(name.strip("dxr")))
        return result(map(row, nearest[:limit]))

    def fetch_objects(self, *, filters: Any, **_: object) -> Any:
        """Those with these ids; every row matches what else is asked."""
        by_ids = filters.filters[0] if hasattr(filters, "filters") else filters
        ids = set(map(str, by_ids.value))
        return result(each for each in map(row, self.names) if str(each.uuid) in ids)


def result(objects: Iterable[Any]) -> Any:
    return SimpleNamespace(objects=list(objects), query_profile=None)


def row(name: str) -> Any:
    return SimpleNamespace(
        uuid=UUID(bytes=name.encode().ljust(16)),
        metadata=SimpleNamespace(last_update_time=1),
        properties={"root": "pics", "path": name, "digest": name},
        vector={"default": direction(float(name.strip("dxr")))},
    )


def direction(degrees: float) -> Vector:
    angle = np.radians(degrees)
    return np.array([np.cos(angle), np.sin(angle)], np.float32)


DELETED = [f"d{n / 10}" for n in range(1, 10)]
OTHERS = [f"x{n}" for n in range(1, 30)]


@pytest.mark.parametrize("first", ["lacks", "keeps"])
def test_what_is_beyond_the_end_of_a_list_is_not_missed(first: str) -> None:
    """One lacks the third nearest row; the list of the other one ends before it, as it is full of
    rows that are deleted."""
    lacks, keeps = Server(OTHERS), Server([*DELETED, *OTHERS, "r2.5"])
    pair = [lacks, keeps] if first == "lacks" else [keeps, lacks]
    collection = Replicas(held=[*pair, Server([*OTHERS, "r2.5"])])
    hits = Search(cast(WeaviateCollection, collection))(direction(0), 3, None)
    assert [hit.place.path for hit in hits] == ["x1", "x2", "r2.5"]


@pytest.mark.parametrize("left", [0, 2])
def test_fewer_rows_are_left_than_a_stale_list_has(left: int) -> None:
    collection = Replicas(held=[Server(OTHERS), Server(OTHERS[:left]), Server(OTHERS[:left])])
    hits = Search(cast(WeaviateCollection, collection))(direction(0), 3, None)
    assert [hit.place.path for hit in hits] == OTHERS[:left]
