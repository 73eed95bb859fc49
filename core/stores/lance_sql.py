"""Filters for Lance, with every literal quoted."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TypeVar

from core.records import Place

VALUES_PER_FILTER = 1_000
PLACES_PER_FILTER = 100

_T = TypeVar("_T")


def matching(column: str, values: Iterable[str]) -> Iterator[str]:
    """Filters that together match the rows whose column holds one of the values."""
    distinct = list(dict.fromkeys(values))
    for some in _chunks(distinct, VALUES_PER_FILTER):
        yield f"{column} IN ({', '.join(map(_literal, some))})"


def at_or_below(places: Collection[Place]) -> Iterator[str]:
    """Filters that together match the rows at or below the places, no row twice."""
    for some in _chunks(_outermost(places), PLACES_PER_FILTER):
        yield "(" + " OR ".join(map(_below, some)) + ")"


def _outermost(places: Collection[Place]) -> list[Place]:
    """The places that lie below no other one, each once."""
    given = set(places)
    return sorted(p for p in given if not any(above in given for above in _above(p)))


def _above(place: Place) -> Iterator[Place]:
    root, path = place
    while path:
        path = path.rpartition("/")[0]
        yield Place(root, path)


def _below(place: Place) -> str:
    root = f"root = {_literal(place.root)}"
    if not place.path:
        return f"({root})"
    # A range and not LIKE: % and _ are letters here. '0' follows '/' in byte order.
    path, first, end = (_literal(place.path + end) for end in ("", "/", "0"))
    return f"({root} AND (path = {path} OR (path >= {first} AND path < {end})))"


def _literal(text: str) -> str:
    # Lance's SQL knows no backslash escapes, so the quote is the only special character.
    return "'" + text.replace("'", "''") + "'"


def _chunks(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
