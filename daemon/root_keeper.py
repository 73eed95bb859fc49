"""Keeps one root armed: again and again, whatever happens to it. Owns no thread."""

import logging
import time
from collections.abc import Callable
from threading import Event

from daemon.armed_root import ArmedRoot
from daemon.losses import Lost
from daemon.signals import SafeSink, Trouble

logger = logging.getLogger(__name__)

MISSING_AGAIN_SECONDS = 0.5
FIRST_BACKOFF_SECONDS = 1.0
LONGEST_BACKOFF_SECONDS = 60.0
LONGEST_DISK_BACKOFF_SECONDS = 4.0
"""After the loss of a disk: unplugged and plugged in ten times, it is no reason for a minute
without events."""
STEADY_SECONDS = 60.0
"""Armed for so long, a root has recovered and its next loss starts the back-off anew."""


class RootKeeper:
    """Call `turn` again and again from one thread; everything else may be asked from any."""

    def __init__(
        self,
        root: str,
        arm: Callable[[], ArmedRoot],
        sink: SafeSink,
        beat: Callable[[], None] = lambda: None,
        *,
        steady_clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`beat` is called at each turn."""
        self.armed = Event()
        """Every folder is watched, as far as the system lets us."""
        self.attempted = Event()
        """Armed once, or failed to."""
        self.announce = False
        """Hint the whole root when it is armed: changes from before would be missed. Only the
        arming that the first scan waits for needs no announcement."""
        self._root = root
        self._arm = arm
        self._sink = sink
        self._beat = beat
        self._steady_clock = steady_clock
        self._current: ArmedRoot | None = None
        self._told: tuple[Trouble, str] | None = None
        self._backoff_seconds = 0.0
        self._armed_at = self._retry_at = 0.0

    @property
    def watches(self) -> int:
        """Folders watched."""
        return current.watches if (current := self._current) else 0

    @property
    def unwatched(self) -> int:
        """Folders for which the system had no watch left."""
        return current.unwatched if (current := self._current) else 0

    @property
    def heard_seconds(self) -> float | None:
        """See ArmedRoot; None while the root is not armed."""
        return current.heard_seconds if (current := self._current) else None

    def turn(self, timeout_seconds: float) -> None:
        """Wait at most so long for events, and hint. Never raises: a loss of any kind is told, and
        the root is armed anew in a later turn."""
        self._beat()
        try:
            if self._current is None:
                wait_seconds = self._retry_at - self._steady_clock()
                if wait_seconds > 0:
                    time.sleep(min(wait_seconds, timeout_seconds))
                    return
                self._current = self._arm()
            self._current.turn(timeout_seconds)
            if self._current.complete and not self.armed.is_set():
                self._finish_arming()
        except Lost as lost:
            self._lose(lost.trouble, str(lost))
        except Exception as error:
            logger.exception("The watcher of root '%s' failed", self._root)
            self._lose(
                Trouble.READER_DIED,
                f"Watching root '{self._root}' failed ({type(error).__name__}); it is tried again.",
            )

    def close(self) -> None:
        """Give up every watch; a later turn would arm the root again."""
        self.armed.clear()
        current, self._current = self._current, None
        if current:
            current.close()

    def _finish_arming(self) -> None:
        self._armed_at = self._steady_clock()
        self._told = None
        # Read after the last watch was set: whoever stops waiting later scans later, too.
        announce, self.announce = self.announce, True
        self.armed.set()
        self.attempted.set()
        if announce:
            self._sink.hint(self._root, b"", settled=False)

    def _lose(self, trouble: Trouble, detail: str) -> None:
        now = self._steady_clock()
        if self.armed.is_set() and now - self._armed_at > STEADY_SECONDS:
            self._backoff_seconds = 0.0
        self.close()
        self.announce = True
        if trouble is Trouble.ROOT_GONE:  # cheap to try, and it may be back at any moment
            self._retry_at = now + MISSING_AGAIN_SECONDS
        else:
            disk = trouble in (Trouble.UNMOUNT, Trouble.ROOT_CHANGED)
            longest = LONGEST_DISK_BACKOFF_SECONDS if disk else LONGEST_BACKOFF_SECONDS
            self._retry_at = now + min(self._backoff_seconds, longest)
            self._backoff_seconds = min(
                LONGEST_BACKOFF_SECONDS, max(FIRST_BACKOFF_SECONDS, 2 * self._backoff_seconds)
            )
        if self._told != (trouble, detail):  # a root may be gone for days
            self._told = (trouble, detail)
            self._sink.trouble(self._root, trouble, detail)
        self.attempted.set()
