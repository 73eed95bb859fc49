"""What every store that filters by place needs."""

from collections.abc import Collection, Iterator, Sequence
from typing import TypeVar

from core.records import Place

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


def chunks(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    """The items, so many at a time."""
    return (items[start : start + size] for start in range(0, len(items), size))
