"""One piece of work of the daemon: counts it, shows it, and lets more urgent work in between."""

import threading
import time
from collections.abc import Callable

from core.records import Place
from core.state import Progress
from daemon.board import Board
from daemon.counters import EmbeddedTotal
from daemon.metrics import Metrics
from daemon.plan import Scope
from daemon.work import Work

Listener = Callable[[Progress], None]
SHOW_SECONDS = 0.2


class Job:
    """The SyncMonitor that the daemon and the command line use."""

    def __init__(
        self,
        board: Board,
        total: EmbeddedTotal,
        stop: threading.Event,
        *,
        listener: Listener | None = None,
        count: Callable[[], None],
        metrics: Metrics,
        urgent: Callable[[], list[Place]] | None = None,
    ) -> None:
        """`count` is called while rows are being written. `urgent` deals with what cannot wait and
        returns the places it dealt with; a job without it is urgent itself."""
        self._board = board
        self._total = total
        self._stop = stop
        self._listener = listener
        self._urgent = urgent
        self._count = count
        self._metrics = metrics
        self._work = Work()
        if urgent:
            board.work = self._work
        self._overtaken = Scope([])
        self._shown = 0.0

    def stopping(self) -> bool:
        """The daemon was asked to stop."""
        return self._stop.is_set()

    def superseded(self, place: Place) -> bool:
        """An urgent sync has dealt with it meanwhile."""
        return place in self._overtaken

    def expect(self, root: str, files: int) -> None:
        """About so many files will be planned for a root whose turn comes later."""
        self._work.expect(root, files)
        self._board.moved()

    def planned(self, root: str, files: int) -> None:
        """So many more files."""
        self._work.planned(root, files)
        self._board.moved()

    def finished(self, files: int) -> None:
        """So many of them are done."""
        now = time.monotonic()
        self._work.finished(files, now)
        self._metrics.files.inc(files)
        self._board.moved()
        last = self._work.done >= self._work.total
        if self._listener and (last or now - self._shown >= SHOW_SECONDS):
            self._shown = now
            if progress := self._work.progress(now):
                self._listener(progress)

    def embedded(self, count: int) -> None:
        """Counted before the rows are written, so that a kill in between loses no count."""
        self._total.add(count)
        self._board.embedded_total = self._total.count

    def between(self) -> None:
        """Let what is urgent go first; what it dealt with is not written again by this job."""
        self._count()
        for place in self._urgent() if self._urgent else ():
            self._overtaken.add(place)
