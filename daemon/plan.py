"""Decides, from what is on the disk and what is indexed, what must be done. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from core.records import FileStamp, IndexedStamp, Place
from core.state import Rejection
from core.stores.stamps import Numbers, by_folder
from daemon.scanner import Listing

_NO_ROW = (-1,)


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
    observed: Iterable[Listing],
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
    bad = _by_root(rejections)
    unseen: dict[Place, dict[str, Numbers | None]] = {}
    """Of every folder met so far, the rows whose file was not. A million files are compared one
    folder at a time: sets of all of them would take more memory than the rest of the daemon."""
    for folder, files in observed:
        if folder not in unseen:
            unseen[folder] = rows.numbers(folder)
        waiting, rejected = unseen[folder], bad.get(folder.root, {})
        for path, numbers in files:
            known = waiting.pop(path, _NO_ROW)
            if known == numbers and path not in rejected:
                plan.unchanged += 1
                continue
            place, stamp = Place(folder.root, path), FileStamp(*numbers)
            rejection = rejected.get(path)
            if rejection and rejection.stamp == stamp and rejection.decoder == decoder:
                if known is not _NO_ROW:
                    plan.absent.append(place)
            elif known == numbers:
                plan.unchanged += 1
            else:
                plan.ingest.append((place, stamp))
                plan.changed += known is not _NO_ROW
        if not waiting:
            unseen[folder] = {}  # an emptied dict keeps its memory
    within = Scope(scope)
    for folder in rows.folders():
        left = unseen[folder] if folder in unseen else rows.numbers(folder)
        places = [Place(folder.root, path) for path in left]
        plan.absent += [place for place in places if place in within]
    return plan


def _by_root(rejections: Mapping[Place, Rejection]) -> dict[str, dict[str, Rejection]]:
    found: dict[str, dict[str, Rejection]] = {}
    for place, rejection in rejections.items():
        found.setdefault(place.root, {})[place.path] = rejection
    return found


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
