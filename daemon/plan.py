"""Decides, from what is on the disk and what is indexed, what must be done. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from core.records import FileStamp, IndexedStamp, Place
from core.state import Rejection
from core.stores.stamps import by_folder


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
    """Compare `observed`, the candidates at and below `scope`, each once, with `stamps`.

    `stamps` may hold rows outside `scope`; these are left alone. `decoder` is the version that
    would decode now: a rejection by another version is no reason not to try again.
    """
    plan = Plan()
    rows = by_folder(stamps)
    unseen: dict[Place, dict[Place, IndexedStamp]] = {}
    """Of every folder met so far, the rows whose file was not. A million files are compared one
    folder at a time: sets of all of them would take more memory than the rest of the daemon."""
    folder, waiting = None, dict[Place, IndexedStamp]()
    for place, stamp in observed:
        above = place.path.rpartition("/")[0]
        if folder is None or above != folder.path or place.root != folder.root:
            folder = Place(place.root, above)
            if folder not in unseen:
                unseen[folder] = dict(rows.inside(folder))
            waiting = unseen[folder]
        indexed = waiting.pop(place, None)
        if not waiting:
            unseen[folder] = waiting = {}  # an emptied dict keeps its memory
        rejection = rejections.get(place) if rejections else None
        if rejection and rejection.stamp == stamp and rejection.decoder == decoder:
            if indexed:
                plan.absent.append(place)
        elif indexed and indexed.stamp == stamp and not indexed.racy:
            plan.unchanged += 1
        else:
            plan.ingest.append((place, stamp))
            plan.changed += indexed is not None
    within = Scope(scope)
    for folder in rows.folders():
        left = unseen[folder] if folder in unseen else rows.inside(folder)
        plan.absent += [place for place in left if place in within]
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
