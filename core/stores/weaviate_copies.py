"""Whether a server of a cluster has every row that the others have.

A server answers from its own copy, whatever majority is asked: one that was away finds nothing that
was written meanwhile, until the servers have compared their copies, which they do every 30 s. Each
tells of its last comparisons since it started: with whom it differed, and how many rows it had to
give; and without a name, that it differed from nobody.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

_SILENT_MS = 90_000
"""A server that compared nothing for so long does not hear the others."""


class Standing(IntEnum):
    """What is known of the copies of a server; more is better."""

    BEHIND = 0
    UNKNOWN = 1
    WHOLE = 2


@dataclass(frozen=True, slots=True)
class _Copy:
    collection: str
    replicas: int
    equal_ms: int
    """When it last differed from no other copy; 0 is never."""
    given_ms: Mapping[str, int]
    """When it last gave rows to the copy of a server."""
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

    def _one(self, name: str, shard: str, now_ms: float) -> Standing:
        own = self._nodes[name][shard]
        if own.replicas < 2:
            return Standing.WHOLE
        copies = [shards[shard] for shards in self._nodes.values() if shard in shards]
        alone = 2 * len(copies) <= own.replicas
        if alone or not own.equal_ms or own.told_ms < now_ms - _SILENT_MS:
            return Standing.UNKNOWN
        for other in copies:
            if other.given_ms.get(name, 0) > max(own.equal_ms, other.equal_ms):
                return Standing.BEHIND
        return Standing.WHOLE


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
        given_ms={name: when for name, (when, rows) in told.items() if name and rows},
        told_ms=max((when for when, _ in told.values()), default=0),
    )
