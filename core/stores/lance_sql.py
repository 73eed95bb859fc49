"""Filters for Lance, with every literal quoted."""

from collections.abc import Collection, Iterable, Iterator

from core.records import Place
from core.stores.scopes import chunks, outermost

VALUES_PER_FILTER = 1_000
PLACES_PER_FILTER = 100


def matching(column: str, values: Iterable[str]) -> Iterator[str]:
    """Filters that together match the rows whose column holds one of the values."""
    distinct = list(dict.fromkeys(values))
    for some in chunks(distinct, VALUES_PER_FILTER):
        yield f"{column} IN ({', '.join(map(_literal, some))})"


def at_or_below(places: Collection[Place]) -> Iterator[str]:
    """Filters that together match the rows at or below the places, no row twice."""
    for some in chunks(outermost(places), PLACES_PER_FILTER):
        yield "(" + " OR ".join(map(_below, some)) + ")"


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
