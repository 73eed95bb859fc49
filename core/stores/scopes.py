"""What every store that filters by place needs."""

from collections.abc import Collection, Iterator, Sequence
from typing import TypeVar

from core.records import Place

MOST_QUERIES = 64
"""So many places are asked of the store one by one; beyond, the folders above them are."""

_T = TypeVar("_T")


def outermost(places: Collection[Place]) -> list[Place]:
    """The places that lie below no other one, each once."""
    given = set(places)
    return sorted(p for p in given if not any(folder in given for folder in above(p)))


def above(place: Place) -> Iterator[Place]:
    """Every folder that the place lies in, its root last."""
    root, path = place
    while path:
        path = path.rpartition("/")[0]
        yield Place(root, path)


def few_around(places: Sequence[Place]) -> list[Place]:
    """Few places whose rows include those of all `places`: reading too many rows is cheap, asking
    many questions is not."""
    while len(places) > MOST_QUERIES:
        folders = sorted({Place(place.root, place.path.rpartition("/")[0]) for place in places})
        if len(folders) == len(places):
            return sorted({Place(place.root, "") for place in places})
        places = folders
    return list(places)


def chunks(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    """The items, so many at a time."""
    return (items[start : start + size] for start in range(0, len(items), size))
