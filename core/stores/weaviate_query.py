"""Rows of a collection as a quorum of its servers has them."""

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeVar
from uuid import UUID

from core.stores.weaviate_client import Filter, Filters, MetadataQuery, Rows
from core.stores.weaviate_quorum import differing, enough, held, newest, written
from core.stores.weaviate_servers import READ_SECONDS

_T = TypeVar("_T")
Find = Callable[..., list[Any]]
"""Takes the rows, and as keywords of the client what to return of them."""
Again = Callable[[Sequence[UUID], Filters | None], Find]
"""How to find those of the rows with these ids that match."""
_LEAST_SECONDS = 0.5
_AGAIN = 100
"""Rows asked for again at once."""


class Copied(Protocol):
    """A collection."""

    copies: int

    def answers(
        self,
        act: Callable[[Rows], _T],
        servers: int | None = None,
        *,
        seconds: float = READ_SECONDS,
    ) -> list[_T]:
        """See WeaviateCollection."""
        ...


class Found(NamedTuple):
    """What a query found."""

    rows: list[Any]
    """Of several servers each once, in any order; of one as it gives them."""
    lists: list[list[Any]]
    """What each server has found; none where there is no such collection."""


def query(
    collection: Copied,
    find: Find,
    *,
    properties: Sequence[str],
    vectors: bool = False,
    dated: bool = False,
    seconds: float = READ_SECONDS,
    full: int | None = None,
    where: Filters | None = None,
    matter: Callable[[Sequence[Any]], Iterable[UUID]] | None = None,
    again: Again | None = None,
) -> Found:
    """What `find` finds; no row is missed whose write was confirmed, none given back whose deletion
    was.

    Args:
        dated: return when each row was written.
        seconds: how long it may take; what is not settled then is given rather than missed.
        full: where a server finds so many, there are more, and no rows are returned: servers that
            have the same rows give different ones first.
        where: what a row must match to be found; None where any row does.
        matter: which of the rows that were found must be right; all of them, if not said.
        again: how to find rows where servers differ; by their ids, if not said.
    """

    def act(find: Find, rows: Rows) -> list[Any]:
        when = MetadataQuery(last_update_time=True)
        return find(
            rows,
            return_properties=list(properties),
            include_vector=vectors,
            return_metadata=when if dated or collection.copies > 1 else None,
        )

    deadline = time.monotonic() + seconds
    lists = collection.answers(partial(act, find), seconds=seconds)
    if full is not None and any(len(rows) >= full for rows in lists):
        return Found([], lists)
    if len(lists) < 2:
        return Found([row for rows in lists for row in rows], lists)
    found, unsettled = newest(lists), differing(lists)
    while unsettled and deadline - time.monotonic() > _LEAST_SECONDS:
        wanted = set(matter(list(found.values()))) if matter else unsettled
        some = sorted(unsettled & wanted)[:_AGAIN]
        if not some:
            break
        unsettled.difference_update(some)
        for uuid in some:
            del found[uuid]
        counting = _counting(collection, partial(act, (again or _by_ids)(some, None)), deadline)
        if where is not None:
            matching = partial(act, (again or _by_ids)(some, where))
            left = deadline - time.monotonic()
            latest = newest(collection.answers(matching, seconds=max(_LEAST_SECONDS, left)))
            counting = {
                uuid: latest[uuid]
                for uuid, row in counting.items()
                if uuid in latest and written(latest[uuid]) >= written(row)
            }
        found |= counting
    return Found(list(found.values()), lists)


def _counting(
    collection: Copied, act: Callable[[Rows], list[Any]], deadline: float
) -> dict[UUID, Any]:
    """The rows that count, by as few servers as tell."""
    copies = collection.copies
    answers: list[list[Any]] = []
    kept = set[UUID]()
    for servers in range(enough(copies), copies + 1):
        left = deadline - time.monotonic()
        answers = collection.answers(act, servers, seconds=max(_LEAST_SECONDS, left))
        kept, certain = held(answers, copies)
        if kept == certain or len(answers) < servers:
            break
    return {uuid: row for uuid, row in newest(answers).items() if uuid in kept}


def _by_ids(ids: Sequence[UUID], where: Filters | None) -> Find:
    some = Filter.by_id().contains_any(ids)

    def find(rows: Rows, **returned: Any) -> list[Any]:
        filters = some if where is None else some & where
        return list(rows.query.fetch_objects(filters=filters, limit=len(ids), **returned).objects)

    return find
