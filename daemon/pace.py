"""When the next scan, build and upkeep are due, and how long to wait after a failure."""

import time
from collections.abc import Callable

MAINTAIN_SECONDS = 300
SCAN_WITHOUT_EVENTS_SECONDS = 300
BUILD_PAUSE_SECONDS = 1.0
LONGEST_BACKOFF_SECONDS = 60.0
_NOW = float("-inf")


class Pace:
    """The clock of the daemon's loop; owns no thread and does nothing by itself."""

    def __init__(
        self, rescan_minutes: float, *, steady_clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rescan_seconds = rescan_minutes * 60
        self._steady_clock = steady_clock
        self._events_missing = False
        self._next_scan = self._next_build = self._not_before = _NOW
        self._next_upkeep = steady_clock() + MAINTAIN_SECONDS
        self._backoff_seconds = 0.0
        self._build_pause_seconds = BUILD_PAUSE_SECONDS

    # ---- scans ------------------------------------------------------------------------------

    def events(self, *, missing: bool) -> None:
        """Whether some changes are found by scans alone: those then come more often."""
        self._events_missing = missing
        self._next_scan = min(self._next_scan, self._steady_clock() + self._scan_seconds)

    @property
    def scan_due(self) -> bool:
        """Time to compare everything."""
        return self._steady_clock() >= self._next_scan

    def scan_now(self) -> None:
        """Compare everything as soon as possible."""
        self._next_scan = _NOW

    def scan_begins(self) -> None:
        """What asks for a scan from now on asks for another one."""
        self._next_scan = self._steady_clock() + self._scan_seconds

    # ---- the index that is built beside, and upkeep -------------------------------------------

    @property
    def build_due(self) -> bool:
        """Time for another pass over the index being built."""
        return self._steady_clock() >= self._next_build

    def built(self, *, complete: bool) -> None:
        """A pass is over; the more of them were in vain, the rarer they are."""
        if complete:
            self._build_pause_seconds = BUILD_PAUSE_SECONDS
            self.scan_now()  # what changed during the last pass
        else:
            self._next_build = self._steady_clock() + self._build_pause_seconds
            self._build_pause_seconds = min(self._rescan_seconds, self._build_pause_seconds * 2)

    @property
    def upkeep_due(self) -> bool:
        """Time to tidy up, if nothing else is to be done."""
        return self._steady_clock() >= self._next_upkeep

    def upkeep_begins(self) -> None:
        """It is under way."""
        self._next_upkeep = self._steady_clock() + MAINTAIN_SECONDS

    # ---- failures ---------------------------------------------------------------------------

    @property
    def pausing(self) -> bool:
        """After a failure, nothing is tried for a while."""
        return self._steady_clock() < self._not_before

    def failed(self) -> None:
        """Try later, each time a little later; what was lost on the way is found by comparing
        everything."""
        self._backoff_seconds = min(LONGEST_BACKOFF_SECONDS, max(1.0, self._backoff_seconds * 2))
        self._not_before = self._steady_clock() + self._backoff_seconds
        self.scan_now()

    def recovered(self) -> bool:
        """Whether a failure is over, all that it left to do being done; tells so once."""
        if not self._backoff_seconds or self._next_scan == _NOW:
            return False
        self._backoff_seconds = 0.0
        return True

    @property
    def _scan_seconds(self) -> float:
        """From one scan to the next."""
        if self._events_missing:
            return min(self._rescan_seconds, SCAN_WITHOUT_EVENTS_SECONDS)
        return self._rescan_seconds
