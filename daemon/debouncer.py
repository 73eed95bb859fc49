"""Turns a flood of hints into few places, each handed out once it has been quiet for a while."""

import heapq
from collections import defaultdict
from collections.abc import Container, Iterable
from itertools import chain

from core.records import Place

COLLAPSE_TO = 0.75
"""Share of the capacity left after a collapse, so that the next one is many hints away."""


class Debouncer:
    """A bounded set of places that may have changed. Time is passed in, as monotonic seconds.

    A place is due when no hint came for `settle_seconds` (a quarter of it after a settled hint), at
    the latest `max_wait_seconds` after its first hint. Every place added is covered, sooner or
    later, by a place that `due` returns.
    """

    def __init__(
        self, settle_seconds: float, *, max_wait_seconds: float = 30.0, capacity: int = 200_000
    ) -> None:
        self._settle_seconds = settle_seconds
        self._max_wait_seconds = max(max_wait_seconds, settle_seconds)
        self._capacity = capacity
        self._entries: dict[Place, _Entry] = {}
        self._heap: list[tuple[float, Place]] = []
        """One live item a place, at `_Entry.queued`, never later than its `not_before`: a hint for
        a place that waits already (a file being written gives thousands) touches no heap."""
        self._out: dict[Place, float] = {}
        """Handed out and not done yet, each with the time of its first hint."""

    def __len__(self) -> int:
        return len(self._entries)

    def places(self) -> list[Place]:
        """All that wait."""
        return list(self._entries)

    def add(self, place: Place, now: float, *, settled: bool = False) -> None:
        """Something may have changed at or below `place`; `settled`: nobody is writing to it."""
        entry = self._entries.get(place)
        if entry is None:
            self._entries[place] = entry = _Entry(now)
        wait_seconds = self._settle_seconds / 4 if settled else self._settle_seconds
        entry.not_before = min(now + wait_seconds, entry.first + self._max_wait_seconds)
        self._queue(place, entry)
        if len(self._entries) > self._capacity:
            self._collapse()

    def add_all(self, root: str, now: float) -> None:
        """Anything in the root may have changed: one look at all of it replaces all others."""
        whole = Place(root, "")
        self._merge(whole, [place for place in self._entries if place.root == root])
        self.add(whole, now)
        self._requeue()

    def postpone(self, place: Place, now: float, seconds: float) -> None:
        """Look again `seconds` from now, unless a later hint asks for it sooner."""
        entry = self._entries.get(place)
        if entry is None:
            self._entries[place] = entry = _Entry(now)
            entry.not_before = now + seconds
        entry.since = min(entry.since, self._out.pop(place, now))
        entry.not_before = min(entry.not_before, now + seconds)
        self._queue(place, entry)
        if len(self._entries) > self._capacity:
            self._collapse()

    def due(self, now: float) -> list[Place]:
        """Take out the places whose quiet time is over, the longest waiting first.

        A folder stands for the due places below it. What is not due below it keeps its time: it
        may still be being written.
        """
        ready: dict[Place, float] = {}
        while (soonest := self.next_due()) is not None and soonest <= now:
            place = heapq.heappop(self._heap)[1]
            ready[place] = self._entries.pop(place).since
        due = [place for place in ready if not any(up in ready for up in _above(place))]
        if due:
            oldest = min(ready.values())  # of all: nobody asks which of them it was
            self._out |= {place: min(oldest, self._out.get(place, oldest)) for place in due}
        return due

    def done(self, places: Container[Place]) -> None:
        """What was handed out of these has been dealt with."""
        self._out = {place: since for place, since in self._out.items() if place not in places}

    def oldest(self) -> float | None:
        """When that was hinted which waits longest to be dealt with; None: nothing waits."""
        waiting = (entry.since for entry in self._entries.values())
        return min(chain(waiting, self._out.values()), default=None)

    def next_due(self) -> float | None:
        """When `due` will next have something to return; None: nothing waits."""
        while self._heap:
            queued, place = self._heap[0]
            entry = self._entries.get(place)
            if entry is None or entry.queued != queued:
                heapq.heappop(self._heap)
            elif entry.not_before > queued:
                entry.queued = entry.not_before
                heapq.heapreplace(self._heap, (entry.queued, place))
            else:
                return queued
        return None

    def _queue(self, place: Place, entry: "_Entry") -> None:
        if entry.not_before < entry.queued:
            entry.queued = entry.not_before
            heapq.heappush(self._heap, (entry.queued, place))

    def _requeue(self) -> None:
        for entry in self._entries.values():
            entry.queued = entry.not_before
        self._heap = [(entry.queued, place) for place, entry in self._entries.items()]
        heapq.heapify(self._heap)

    def _collapse(self) -> None:
        """Let folders stand for the places in them, the most crowded folders first, one level up
        at a time, at last whole roots."""
        target = self._capacity * COLLAPSE_TO
        while len(self._entries) > target:
            inside: defaultdict[Place, list[Place]] = defaultdict(list)
            for place in self._entries:
                if place.path:
                    inside[_parent(place)].append(place)
            if not inside:
                break  # nothing but whole roots
            for parent, places in sorted(inside.items(), key=lambda item: -len(item[1])):
                if len(self._entries) <= target:
                    break
                self._merge(parent, places)
        self._requeue()

    def _merge(self, into: Place, places: Iterable[Place]) -> None:
        """Replace places by one that covers them. Its wait began with the first of theirs, else a
        flood that keeps collapsing into it would put it off for ever."""
        merged = self._entries.get(into)
        for place in places:
            if place == into:
                continue
            entry = self._entries.pop(place, None)
            if entry is None:  # merged further up in this collapse
                continue
            if merged is None:
                self._entries[into] = merged = entry
                continue
            merged.first = min(merged.first, entry.first)
            merged.since = min(merged.since, entry.since)
            latest = max(merged.not_before, entry.not_before)
            merged.not_before = min(latest, merged.first + self._max_wait_seconds)


class _Entry:
    """When the place was hinted first, may be looked at, and is next met in the heap."""

    __slots__ = ("first", "not_before", "queued", "since")

    def __init__(self, now: float) -> None:
        self.first = now
        self.since = now
        """As `first`, but kept when a look has failed and the place is put off."""
        self.not_before = now
        self.queued = float("inf")


def _parent(place: Place) -> Place:
    return Place(place.root, place.path.rpartition("/")[0])


def _above(place: Place) -> Iterable[Place]:
    while place.path:
        place = _parent(place)
        yield place
