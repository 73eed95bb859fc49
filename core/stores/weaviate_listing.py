"""Reading all rows that match a filter, however many: the server gives 10,000 at most at once."""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from core.errors import StoreError
from core.stores.scopes import chunks
from core.stores.weaviate_client import Filters
from core.stores.weaviate_collection import WeaviateCollection
from core.stores.weaviate_errors import TooManyResultsError
from core.stores.weaviate_objects import SLOTS, digests_filter, slots_filter
from core.stores.weaviate_query import fetch, query
from core.stores.weaviate_servers import LIST_SECONDS

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
                slots if where is None else where & slots,
                properties,
                vectors=vectors,
                partly=width == 1,
            )
            if full and width > 1:
                width //= 2
                continue
            yield from found
            first, seen = first + width, seen + len(found)
            width = max(1, int(self._page * _FULL * first / max(1, seen)))

    def pieces(self, properties: list[str]) -> Iterator[list[Any]]:
        """Every row once with its vector, in the order of the ids, read where rows are stored and
        (where servers agree) not through an index. StoreError if the collection goes meanwhile."""
        last: UUID | None = None
        while True:
            after, limit = last, min(_PIECE, self._page)

            find = fetch(limit=limit, after=after)

            try:
                found = query(
                    self._collection,
                    find,
                    properties=properties,
                    vectors=True,
                    seconds=LIST_SECONDS,
                )
            except TooManyResultsError:
                if limit == 1:
                    raise
                self._page = limit // 2
                continue
            if not found.lists:
                if last is None:
                    return  # nothing was ever written
                raise StoreError(f"The collection {self._collection.name} was deleted meanwhile.")
            # Beyond the end of a full list we do not know what that server has.
            ends = [rows[-1].uuid for rows in found.lists if len(rows) == limit]
            piece = sorted(found.rows, key=lambda row: row.uuid)
            if ends:
                piece = [row for row in piece if row.uuid <= min(ends)]
            if piece:
                yield piece
            if not ends:
                return
            last = min(ends)

    def page(
        self,
        where: Filters | None,
        properties: list[str],
        *,
        vectors: bool = False,
        limit: int = _PAGE,
        partly: bool = False,
        surely: bool = False,
    ) -> tuple[list[Any], bool]:
        """Rows that match, and whether they fill a page: then there may be more, and they are
        returned only if it may be `partly`."""
        while True:
            size = min(limit, self._page)

            find = fetch(limit=size, filters=where)

            try:
                found = query(
                    self._collection,
                    find,
                    properties=properties,
                    vectors=vectors,
                    seconds=LIST_SECONDS,
                    full=None if partly else size,
                    surely=surely,
                    where=where,
                )
            except TooManyResultsError:
                if size == 1:
                    raise
                self._page = size // 2
            else:
                return found.rows, any(len(rows) >= size for rows in found.lists)

    def one_of_each(
        self, digests: Sequence[str], *, vectors: bool = False, surely: bool = False
    ) -> Iterator[Any]:
        """At least one row of every digest that has rows, however many copies there are.

        Args:
            surely: StoreAwayError if too few servers answer to know it.
        """
        for some in chunks(digests, _DIGESTS):
            where = digests_filter(some)
            found, full = self.page(
                where,
                ["digest"],
                vectors=vectors,
                limit=1 if len(some) == 1 else 2 * len(some),
                partly=len(some) == 1,
                surely=surely,
            )
            if full and len(some) > 1:
                for half in chunks(some, (len(some) + 1) // 2):
                    yield from self.one_of_each(half, vectors=vectors, surely=surely)
            elif full and not found:  # what servers gave first does not count
                yield from self.all(where, ["digest"], vectors=vectors)
            else:
                yield from found
