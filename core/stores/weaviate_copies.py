"""Whether a server of a cluster has every row that the others have.

A server answers from its own copy, whatever majority is asked: one that was away finds nothing that
was written meanwhile, until the servers have compared their copies, which they do every 30 s. Each
tells of its last comparisons since it started: with whom it differed, and how many rows it had to
give; and without a name, that it differed from nobody.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

_SILENT_MS = 90_000
"""A server that compared nothing for so long does not hear the others."""


class Standing(IntEnum):
    """What is known of a server and its copies; more is better."""

    GONE = 0
    STARTING = 1
    """It says that it is not ready: it may know of no collection yet."""
    BEHIND = 2
    SILENT = 3
    """It has told nothing, or not in time."""
    UNKNOWN = 4
    WHOLE = 5


class Rank(NamedTuple):
    """Which of several servers to use: the greatest."""

    standing: Standing
    doubts: int = 0
    """The fewer the better, so it is 0 or less."""


@dataclass(frozen=True, slots=True)
class _Copy:
    collection: str
    replicas: int
    equal_ms: int
    """When it last differed from no other copy; 0 is never."""
    differed_ms: Mapping[str, int]
    """When it last differed from the copy of a server."""
    given: frozenset[str]
    """The servers to which it gave rows then."""
    told_ms: int
    """When it last compared anything."""


class Copies:
    """The copies of the collections whose names begin alike, as `/v1/nodes?output=verbose` has
    them."""

    def __init__(self, nodes: Iterable[Mapping[str, Any]], prefix: str) -> None:
        self._nodes = {
            str(node["name"]): {
                str(shard["name"]): _read(shard)
                for shard in node.get("shards") or []
                if str(shard["class"]).startswith(prefix)
            }
            for node in nodes
        }

    @property
    def collection(self) -> str | None:
        """The name of any of the collections."""
        found = (copy.collection for shards in self._nodes.values() for copy in shards.values())
        return next(found, None)

    def all_whole(self, now_ms: float) -> bool:
        """Whether there is nothing to choose."""
        return all(self.standing(name, now_ms) is Standing.WHOLE for name in self._nodes)

    def standing(self, name: str, now_ms: float) -> Standing:
        """What is known of a server, by its own clock."""
        own = self._nodes.get(name)
        if own is None or (self.collection and not own):
            return Standing.UNKNOWN  # it is starting
        return min((self._one(name, shard, now_ms) for shard in own), default=Standing.WHOLE)

    def rank(self, name: str, now_ms: float) -> Rank:
        """Its standing, and what tells servers apart of which none is known to be whole, as while
        one is away no comparison of the others is complete: in how many differences that no later
        comparison has cleared it is one of the two ends. Where one server alone lacks rows it is in
        all of them, and another one in fewer or in none."""
        shards = self._nodes.get(name, {})
        doubts = sum(name in ends for shard in shards for ends in self._differences(shard))
        return Rank(self.standing(name, now_ms), -doubts)

    def _differences(self, shard: str) -> Iterator[tuple[str, str]]:
        copies = self._copies(shard)
        for name, copy in copies.items():
            for other, when in copy.differed_ms.items():
                if other in copies and when > max(copy.equal_ms, copies[other].equal_ms):
                    yield name, other

    def _copies(self, shard: str) -> dict[str, _Copy]:
        return {name: shards[shard] for name, shards in self._nodes.items() if shard in shards}

    def _one(self, name: str, shard: str, now_ms: float) -> Standing:
        copies = self._copies(shard)
        own = copies[name]
        if own.replicas < 2:
            return Standing.WHOLE
        alone = 2 * len(copies) <= own.replicas
        if alone or not own.equal_ms or own.told_ms < now_ms - _SILENT_MS:
            return Standing.UNKNOWN
        deviants = [other for other, end in self._differences(shard) if end == name]
        if any(name in copies[other].given for other in deviants):
            return Standing.BEHIND
        # Where all others differ from it since, it was away; from some they do during a batch.
        return Standing.UNKNOWN if len(deviants) == len(copies) - 1 > 1 else Standing.WHOLE


def _read(shard: Mapping[str, Any]) -> _Copy:
    told = {
        str(each.get("targetNode") or ""): (
            int(each.get("startDiffTimeUnixMillis") or 0),
            int(each.get("objectsPropagated") or 0),
        )
        for each in shard.get("asyncReplicationStatus") or []
    }
    return _Copy(
        collection=str(shard["class"]),
        replicas=int(shard.get("numberOfReplicas") or shard.get("replicationFactor") or 1),
        equal_ms=told.get("", (0, 0))[0],
        differed_ms={name: when for name, (when, _) in told.items() if name},
        given=frozenset(name for name, (_, rows) in told.items() if name and rows),
        told_ms=max((when for when, _ in told.values()), default=0),
    )
