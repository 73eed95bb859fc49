"""What counts of the rows that several servers hold.

A Weaviate server answers from its own copy, whatever consistency level is asked
(`objectVectorSearch` and `objectSearchByShard` in `adapters/repos/db/index.go`, 1.39.3). What it
missed while it was away it neither finds nor lists until the servers have compared their copies,
which takes a minute. So the quorum of readers is ours: of N copies a write is confirmed by a
majority W, and N - W + 1 servers are asked, of which at least one has taken part in it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

Objects = Sequence[Any]
"""As the client gives them, with `uuid` and `metadata.last_update_time`."""


class Answer(NamedTuple):
    """What one server gave."""

    objects: Objects
    shards: frozenset[tuple[str, str]] = frozenset()
    """Which server has read which shard for it, if it says so: now and then, as when it is back and
    still opening its shards, it hands a query on."""


def majority(copies: int) -> int:
    """How many of them confirm a write."""
    return copies // 2 + 1


def enough(copies: int) -> int:
    """How many of them have at least one that took part in any write that was confirmed."""
    return copies - majority(copies) + 1


def independent(answers: Sequence[Answer]) -> list[Answer]:
    """Those for which no server has read a shard that it has read for one of them already."""
    kept: list[Answer] = []
    read: set[tuple[str, str]] = set()
    for answer in answers:
        if not answer.shards & read:
            kept.append(answer)
            read |= answer.shards
    return kept


def newest(lists: Iterable[Objects]) -> dict[UUID, Any]:
    """Every object once, in its latest version."""
    found: dict[UUID, Any] = {}
    for each in (each for objects in lists for each in objects):
        known = found.get(each.uuid)
        if known is None or written(each) > written(known):
            found[each.uuid] = each
    return found


def differing(lists: Sequence[Objects]) -> set[UUID]:
    """Objects that not all have, or not in the same version."""
    versions = [{each.uuid: written(each) for each in objects} for objects in lists]
    all_ids = set[UUID]().union(*versions)
    return {each for each in all_ids if len({known.get(each) for known in versions}) > 1}


def decided(answers: Sequence[Objects], copies: int) -> tuple[dict[UUID, Any], bool]:
    """The rows that count by what these servers have, and whether the other ones could change it.

    A row that a majority cannot have, even with the servers that did not answer, is a deletion that
    was missed, or a write that nobody was told of. Of its versions the one that a majority has
    counts, or else the latest: clocks of servers differ.
    """
    away = copies - len(answers)
    versions: dict[UUID, list[Any]] = {}
    for objects in answers:
        for uuid, row in newest([objects]).items():
            versions.setdefault(uuid, []).append(row)
    counting: dict[UUID, Any] = {}
    open_to_change = False
    for uuid, rows in versions.items():
        if len(rows) + away < majority(copies):
            continue
        when, servers = Counter(map(written, rows)).most_common(1)[0]
        if servers >= majority(copies):
            counting[uuid] = next(row for row in rows if written(row) == when)
        else:
            counting[uuid] = max(rows, key=written)
            open_to_change |= away > 0
    return counting, open_to_change


def written(each: Any) -> datetime:
    """When this version of it was."""
    when: datetime = each.metadata.last_update_time
    return when
