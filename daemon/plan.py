"""Decides, from what is on the disk and what is indexed, what must be done. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from core.records import FileStamp, IndexedStamp, Place
from core.state import Rejection


@dataclass
class Plan:
    """Work that makes the index agree with the disk; deletions are done last."""

    ingest: list[tuple[Place, FileStamp]] = field(default_factory=list)
    """New or changed files."""
    absent: list[Place] = field(default_factory=list)
    """Rows whose file was not seen; each is looked at once more before it is deleted."""
    unchanged: int = 0
    changed: int = 0
    """How many of `ingest` have a row already."""


def make_plan(
    observed: Iterable[tuple[Place, FileStamp]],
    stamps: Mapping[Place, IndexedStamp],
    rejections: Mapping[Place, Rejection],
    scope: Collection[Place],
    decoder: str,
) -> Plan:
    """Compare `observed`, the candidates at and below `scope`, with `stamps`.

    `stamps` may hold rows outside `scope`; these are left alone. `decoder` is the version that
    would decode now: a rejection by another version is no reason not to try again.
    """
    plan = Plan()
    seen: set[Place] = set()
    for place, stamp in observed:
        if place in seen:  # asked for twice, as a folder and as a file in it
            continue
        seen.add(place)
        indexed = stamps.get(place)
        rejection = rejections.get(place)
        if rejection and rejection.stamp == stamp and rejection.decoder == decoder:
            if indexed:
                plan.absent.append(place)
        elif indexed and indexed.stamp == stamp and not indexed.racy:
            plan.unchanged += 1
        else:
            plan.ingest.append((place, stamp))
            plan.changed += indexed is not None
    within = Scope(scope)
    plan.absent += [place for place in stamps if place not in seen and place in within]
    return plan


class Scope:
    """A set of places, asked whether it holds what is at or below one of them."""

    def __init__(self, places: Collection[Place]) -> None:
        self._places = set(places)

    def add(self, place: Place) -> None:
        """Also what is at or below `place`."""
        self._places.add(place)

    def __contains__(self, place: object) -> bool:
        if not isinstance(place, Place):
            return False
        root, path = place
        while True:
            if (root, path) in self._places:
                return True
            if not path:
                return False
            path = path.rpartition("/")[0]
