"""Where the watcher's threads leave what they heard, and the daemon's loop picks it up."""

import threading
import time
from collections.abc import Collection

from core.paths import path_text
from core.records import Place
from daemon.debouncer import Debouncer
from daemon.plan import Scope
from daemon.watcher import Trouble


class Hints:
    """A Sink; thread-safe, bounded, never blocks the one who tells."""

    def __init__(self, settle_seconds: float) -> None:
        self._debouncer = Debouncer(settle_seconds)
        self._changed = threading.Condition()
        self._woken = False
        self._alarmed = False
        self._unwatched: dict[str, str] = {}
        """Root -> why only scans find its changes."""

    # ---- from the watcher's threads ---------------------------------------------------------

    def hint(self, root: str, path: bytes, *, settled: bool) -> None:
        """See Sink."""
        place = Place(root, path_text(path))
        with self._changed:
            self._debouncer.add(place, time.monotonic(), settled=settled)
            self._changed.notify()

    def trouble(self, root: str, trouble: Trouble, detail: str) -> None:
        """See Sink. The watcher itself hints a root again once it is watched again."""
        with self._changed:
            if trouble in (Trouble.WATCH_LIMIT, Trouble.READER_DIED):
                self._unwatched[root] = detail
            self._alarmed = self._woken = True
            self._changed.notify()

    # ---- from the loop ----------------------------------------------------------------------

    def rescan(self, root: str) -> None:
        """Look at all of the root, at once."""
        with self._changed:
            self._debouncer.add_all(root, time.monotonic())

    def postpone(self, place: Place, seconds: float) -> None:
        """Look again in a while."""
        with self._changed:
            self._debouncer.postpone(place, time.monotonic(), seconds)

    def due(self) -> list[Place]:
        """What was quiet for long enough; taken out."""
        with self._changed:
            return self._debouncer.due(time.monotonic())

    def alarmed(self) -> bool:
        """Whether there was trouble since the last call: the roots should be looked at, at once."""
        with self._changed:
            alarmed, self._alarmed = self._alarmed, False
            return alarmed

    def done(self, places: Collection[Place]) -> None:
        """What is at and below these has been dealt with."""
        with self._changed:
            self._debouncer.done(Scope(places))

    @property
    def lag_seconds(self) -> float:
        """Age of the oldest hint that has not been dealt with."""
        with self._changed:
            oldest = self._debouncer.oldest()
        return 0.0 if oldest is None else max(0.0, time.monotonic() - oldest)

    @property
    def pending(self) -> int:
        """Places that wait."""
        with self._changed:
            return len(self._debouncer)

    def places(self) -> list[Place]:
        """The places that wait."""
        with self._changed:
            return self._debouncer.places()

    @property
    def unwatched(self) -> dict[str, str]:
        """Root -> why only scans find its changes."""
        with self._changed:
            return dict(self._unwatched)

    def watched(self, root: str) -> None:
        """The watcher has every folder of the root again."""
        with self._changed:
            self._unwatched.pop(root, None)

    def wait(self, seconds: float) -> None:
        """Until something is due or `wake` is called, at most so long."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not self._woken:
                now = time.monotonic()
                due = self._debouncer.next_due()
                until = min(deadline, due if due is not None else deadline)
                if until <= now:
                    break
                self._changed.wait(until - now)
            self._woken = False

    def wake(self) -> None:
        """End the wait: a command came, or the order to stop. A signal handler may call it: the
        condition's lock may be held by the very code that the handler interrupts, so it is not
        waited for; the loop then sees the order when its wait ends by itself."""
        self._woken = True
        if self._changed.acquire(blocking=False):
            self._changed.notify()
            self._changed.release()
