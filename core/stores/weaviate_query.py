"""Rows of a collection as a quorum of its servers has them."""

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeVar
from uuid import UUID

from core.errors import StoreAwayError
from core.stores.weaviate_client import Filter, Filters, MetadataQuery, Rows
from core.stores.weaviate_quorum import (
    Answer,
    decided,
    differing,
    enough,
    independent,
    newest,
    written,
)
from core.stores.weaviate_servers import READ_SECONDS

_T = TypeVar("_T")
Find = Callable[..., Any]
"""Takes the rows, and as keywords of the client what to return of them; gives its result."""
Again = Callable[[Sequence[UUID], Filters | None], Find]
"""How to find those of the rows with these ids that match."""
_LEAST_SECONDS = 0.5
_HANDED_ON_SECONDS = 1.5
"""A server that is back hands queries on for so long, at most."""
_PAUSE_SECONDS = 0.02
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
    surely: bool = False,
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
        surely: StoreAwayError if too few servers answer to know it; else what they have is given.
        where: what a row must match to be found; None where any row does.
        matter: which of the rows that were found must be right; all of them, if not said.
        again: how to find rows where servers differ; by their ids, if not said.
    """

    deadline = time.monotonic() + seconds

    def act(find: Find, rows: Rows) -> Answer:
        several = collection.copies > 1
        result = find(
            rows,
            return_properties=list(properties),
            include_vector=vectors,
            return_metadata=MetadataQuery(last_update_time=True, query_profile=several)
            if dated or several
            else None,
        )
        shards = result.query_profile.shards if result.query_profile else []
        return Answer(list(result.objects), frozenset((each.name, each.node) for each in shards))

    def ask(find: Find, servers: int | None = None) -> list[list[Any]]:
        wanted, begun = servers, time.monotonic()
        while True:
            left = max(_LEAST_SECONDS, deadline - time.monotonic())
            answers = collection.answers(partial(act, find), wanted, seconds=left)
            kept = independent(answers)
            needed = servers or enough(collection.copies)
            late = time.monotonic() > min(begun + _HANDED_ON_SECONDS, deadline - _LEAST_SECONDS)
            if late or len(kept) >= min(needed, len(answers)):
                return [list(answer.objects) for answer in kept]
            wanted = min(collection.copies, (wanted or needed) + 1)
            time.sleep(_PAUSE_SECONDS)

    def look_again(ids: Sequence[UUID], where: Filters | None, servers: int) -> list[list[Any]]:
        return ask((again or _by_ids)(ids, where), servers)

    lists = ask(find)
    if surely and lists and len(lists) < enough(collection.copies):
        raise StoreAwayError(
            f"Only {len(lists)} of the servers that hold copies of the rows can be asked; it takes "
            f"{enough(collection.copies)} to know them. Please start the others."
        )
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
        settled = _settled(collection.copies, partial(look_again, some), where)
        if settled is not None:
            for uuid in some:
                del found[uuid]
            found |= settled
    return Found(list(found.values()), lists)


def _settled(
    copies: int,
    look_again: Callable[[Filters | None, int], list[list[Any]]],
    where: Filters | None,
) -> dict[UUID, Any] | None:
    """The rows that count, by as few servers as tell; None if too few of them answer."""
    counting: dict[UUID, Any] = {}
    known = set[tuple[UUID, datetime]]()
    for servers in range(enough(copies), copies + 1):
        answers = look_again(None, servers)
        if len(answers) < enough(copies):
            return None
        known = {(row.uuid, written(row)) for rows in answers for row in rows}
        counting, open_to_change = decided(answers, copies)
        if not open_to_change or len(answers) < servers:
            break
    if where is None:
        return counting
    matching: dict[UUID, Any] = {}
    for row in (row for rows in look_again(where, servers) for row in rows):
        counts = row.uuid in counting and written(row) == written(counting[row.uuid])
        if counts or (row.uuid, written(row)) not in known:  # it was written just now
            matching[row.uuid] = row
    return matching


def fetch(**wanted: Any) -> Find:
    """The rows that the client fetches by these keywords."""

    def find(rows: Rows, **returned: Any) -> Any:
        return rows.query.fetch_objects(**wanted, **returned)

    return find


def _by_ids(ids: Sequence[UUID], where: Filters | None) -> Find:
    some = Filter.by_id().contains_any(ids)
    # Twice as many, as a server may list a row twice.
    return fetch(filters=some if where is None else some & where, limit=2 * len(ids))
