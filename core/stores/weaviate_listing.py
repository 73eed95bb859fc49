"""Reading all rows that match a filter, however many: the server gives 10,000 at most at once."""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from core.errors import StoreError
from core.stores.scopes import chunks
from core.stores.weaviate_client import Filters, Rows
from core.stores.weaviate_collection import WeaviateCollection
from core.stores.weaviate_errors import TooManyResultsError
from core.stores.weaviate_objects import SLOTS, digests_filter, slots_filter

_PAGE = 5_000
_FULL = 0.8
"""A page is planned to be so full, as slots hold more or fewer rows than their average."""
_FIRST_SLOTS = SLOTS // 256
_DIGESTS = 200
_PIECE = 1_000


class Listing:
    """Lists rows of one collection, and remembers how many the server gives at once."""

    def __init__(self, collection: WeaviateCollection) -> None:
        self._collection = collection
        self._page = _PAGE

    def all(
        self, where: Filters | None, properties: list[str], *, vectors: bool = False
    ) -> Iterator[Any]:
        """Every row that matches, in any order. After a SIGKILL of the server one may come twice
        for a minute, the same both times: an index still knows it by a number it had before."""
        found, full = self.page(where, properties, vectors=vectors)
        if not full:
            yield from found
            return
        first, width, seen = 0, _FIRST_SLOTS, 0
        while first < SLOTS:
            slots = slots_filter(first, first + width)
            found, full = self.page(
                slots if where is None else where & slots, properties, vectors=vectors
            )
            if full and width > 1:
                width //= 2
                continue
            yield from found
            first, seen = first + width, seen + len(found)
            width = max(1, int(self._page * _FULL * first / max(1, seen)))

    def pieces(self, properties: list[str]) -> Iterator[list[Any]]:
        """Every row once with its vector, in the order of the ids, read where rows are stored and
        not through an index. StoreError if the collection goes meanwhile."""
        last: UUID | None = None
        while True:
            after, limit = last, min(_PIECE, self._page)

            def fetch(rows: Rows, after: UUID | None = after, limit: int = limit) -> list[Any]:
                return rows.query.fetch_objects(
                    limit=limit, after=after, include_vector=True, return_properties=properties
                ).objects

            try:
                found = self._collection.read(fetch, None, long=True)
            except TooManyResultsError:
                if limit == 1:
                    raise
                self._page = limit // 2
                continue
            if found is None:
                if last is None:
                    return  # nothing was ever written
                raise StoreError(f"The collection {self._collection.name} was deleted meanwhile.")
            if not found:
                return
            yield found
            last = found[-1].uuid

    def page(
        self,
        where: Filters | None,
        properties: list[str],
        *,
        vectors: bool = False,
        limit: int = _PAGE,
    ) -> tuple[list[Any], bool]:
        """Rows that match, and whether they fill a page: then there may be more."""
        while True:
            size = min(limit, self._page)

            def fetch(rows: Rows, size: int = size) -> list[Any]:
                return rows.query.fetch_objects(
                    limit=size,
                    filters=where,
                    include_vector=vectors,
                    return_properties=properties,
                ).objects

            try:
                found = self._collection.read(fetch, list[Any](), long=True)
            except TooManyResultsError:
                if size == 1:
                    raise
                self._page = size // 2
            else:
                return found, len(found) >= size

    def one_of_each(self, digests: Sequence[str], *, vectors: bool = False) -> Iterator[Any]:
        """At least one row of every digest that has rows, however many copies there are."""
        for some in chunks(digests, _DIGESTS):
            limit = 1 if len(some) == 1 else 2 * len(some)
            found, full = self.page(digests_filter(some), ["digest"], vectors=vectors, limit=limit)
            if full and len(some) > 1:
                for half in chunks(some, (len(some) + 1) // 2):
                    yield from self.one_of_each(half, vectors=vectors)
            else:
                yield from found
