"""Holds back deletions that look like an accident. Decides only; touches neither disk nor store.

Held are, for each root, (a) deletions of content (of rows whose digest no live row still has) above
max(50, share x rows) within ten minutes, and (b) whatever would leave a root that had rows without
any. Moves and copies never count for (a). `approve` releases what is held at that moment and starts
the ten minutes anew; so do two complete scans of a healthy root at least 15 minutes apart.
"""

import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from core.files import read_json, write_json
from core.records import IndexedStamp, Place

WINDOW_SECONDS = 600
CONFIRM_SECONDS = 900
NEVER_FEWER_THAN = 50


class Holds:
    """What is held, and the counts behind the decision; survives a restart."""

    def __init__(
        self,
        file: Path,
        share: float,
        *,
        clock: Callable[[], float] = time.time,
        steady_clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` dates what must survive a restart; `steady_clock` times the 15 minutes, which a
        step of the system clock must not shorten."""
        self._file = file
        self._share = share
        self._clock = clock
        self._steady_clock = steady_clock
        self._held: dict[Place, float | None] = {}
        """Held place -> when a complete scan first confirmed it missing."""
        self._released: set[Place] = set()
        self._recent: dict[str, list[tuple[float, int]]] = {}
        self._saved: Any = None
        self._load()

    @property
    def places(self) -> list[Place]:
        """What is held, in order."""
        return sorted(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def admit(
        self, root: str, content: Collection[Place], moved: Collection[Place], rows: int
    ) -> set[Place]:
        """Which of these absent rows may be deleted now; the others are held from here on.

        `content` would take the last row of their bytes away, `moved` would not; `rows` is how
        many rows the root has before any of it.
        """
        asked = {*content, *moved}
        allowed = asked & self._released
        doubtful = [place for place in content if place not in allowed]
        lately = sum(count for _, count in self._lately(root))
        limit = max(NEVER_FEWER_THAN, self._share * (rows + lately))
        if self._share >= 1 or lately + len(doubtful) <= limit:
            allowed = asked
        else:
            allowed |= set(moved)
        if self._share < 1 and len(allowed) >= rows:
            allowed = asked & self._released
        for place in asked - allowed:
            self._held.setdefault(place, None)
        self._save()
        return allowed

    def deleted(self, root: str, places: Collection[Place], *, content: int) -> None:
        """These are gone; `content` of them took the last row of their bytes along, and count."""
        approved = len(self._released.intersection(places))
        if counted := max(0, content - approved):
            self._recent[root] = [*self._lately(root), (self._clock(), counted)]
        for place in places:
            self._held.pop(place, None)
        self._released.difference_update(places)
        self._save()

    def _lately(self, root: str) -> list[tuple[float, int]]:
        now = self._clock()
        return [(at, n) for at, n in self._recent.get(root, []) if abs(now - at) < WINDOW_SECONDS]

    def seen(self, place: Place) -> None:
        """The file is there (again): nothing to hold, and no approval to keep for later."""
        self._held.pop(place, None)
        self._released.discard(place)

    def drop_without_rows(
        self, asked: Collection[Place], stamps: Mapping[Place, IndexedStamp]
    ) -> None:
        """Forget what is held at and below `asked` and has no row any more."""
        for place in [place for place in self._held if place not in stamps]:
            if any(above.covers(place) for above in asked):
                self.seen(place)

    def confirm(self, root: str) -> None:
        """A complete scan of the healthy root has just found everything that is held missing."""
        now = self._steady_clock()
        for place, first in self._held.items():
            if place.root != root:
                continue
            if first is None:
                self._held[place] = now
            elif now - first >= CONFIRM_SECONDS:
                self._released.add(place)
                self._recent.pop(root, None)

    def approve(self) -> list[Place]:
        """Release everything held now; returns it, to be synced."""
        self._released |= set(self._held)
        self._recent.clear()
        self._save()
        return self.places

    def forget(self, root: str) -> None:
        """The root's rows are gone."""
        self._held = {place: at for place, at in self._held.items() if place.root != root}
        self._save()

    @property
    def released(self) -> list[Place]:
        """What may go at the next sync."""
        return sorted(self._released)

    def _load(self) -> None:
        document = read_json(self._file)
        try:
            self._held = {Place(*place): None for place in document["held"]}
            self._recent = {
                root: [(float(at), int(n)) for at, n in rows]
                for root, rows in document["recent"].items()
            }
        except (TypeError, KeyError, ValueError, AttributeError):
            self._held, self._recent = {}, {}  # lost: the gate fires again at the next scan

    def _save(self) -> None:
        document = {"held": self.places, "recent": {r: n for r, n in self._recent.items() if n}}
        if document != self._saved:
            write_json(self._file, document)
            self._saved = document


def read_held(state: Path) -> list[Place]:
    """What the daemon holds back, for those who only read its state folder."""
    document = read_json(state / "held.json")
    try:
        return sorted(Place(*place) for place in document["held"])
    except (TypeError, KeyError, ValueError):
        return []
