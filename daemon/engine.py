"""The one writer of an index: everything that changes it, for the daemon and the command line."""

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Collection

from core.bootstrap import (
    SECOND_DAEMON,
    NothingIndexed,
    open_database,
    open_decoder,
    open_embedder,
    open_named,
    open_preview,
    writer_locks,
)
from core.candidates import Candidates
from core.config import Config
from core.errors import AppError
from core.files import FileLock
from core.records import Place
from core.state import read_rejections, write_rejections
from daemon.board import Board
from daemon.counters import EmbeddedTotal
from daemon.forecast import forecast
from daemon.holds import Holds
from daemon.job import Job, Listener
from daemon.metrics import Metrics
from daemon.mirrors import Mirrors, switch_blocker
from daemon.recent import RecentlyDeleted
from daemon.roots import Roots
from daemon.scanner import Scanner
from daemon.services import Services
from daemon.sync import SyncReport, SyncService
from daemon.tally import Tally
from daemon.work import Work

logger = logging.getLogger(__name__)

Urgent = Callable[[], list[Place]]


class Engine:
    """Holds the lock, the store, the model and the notes; used by one thread."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.stop = threading.Event()
        self.metrics = Metrics()
        folder = config.state / "daemon"
        self._locks = [FileLock(folder / "lock", SECOND_DAEMON), *writer_locks(config)]
        try:
            for lock in self._locks:
                lock.acquire()
            self._open(config)
        except BaseException:
            self._unlock()
            raise

    def _open(self, config: Config) -> None:
        folder = config.state / "daemon"
        self.database = open_database(config, writable=True)
        workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 4
        self._decoder = open_decoder(config, workers=workers, around=self.metrics.around)
        self.candidates = Candidates(config.ignore)
        self.roots = Roots(config.roots, folder / "roots.json", marker=config.watch.marker)
        self.holds = Holds(folder / "held.json", config.watch.hold_deletions_above)
        self._never_holds = Holds(folder / "held-while-building.json", 1)
        self.recent = RecentlyDeleted(folder / "recent.sqlite")
        self.rejections = read_rejections(folder)
        self._saved_rejections = dict(self.rejections)
        self.board = Board(folder, dict.fromkeys(config.roots, 0), self.database.address)
        self.board.start()
        self.mirrors = Mirrors(
            config,
            self.database,
            open_configured=open_embedder,
            open_named=open_named,
            open_preview=open_preview,
        )
        self._services = Services(
            config,
            self.database,
            self._decoder,
            candidates=self.candidates,
            roots=self.roots,
            recent=self.recent,
            rejections=self.rejections,
            metrics=self.metrics,
            workers=workers,
        )
        self._tally = Tally(self.board, self.database, self.mirrors, self.holds)
        self.reported: Callable[[Collection[Place], SyncReport], object] = lambda *_: None
        """Told of every sync of the index that answers, whoever asked for it."""

    def open_model(self) -> None:
        """Choose and load the model; takes seconds."""
        self.database.claim()
        self.mirrors.open()
        self._total = EmbeddedTotal(
            self.config.state / "daemon" / "embedded.json", self.mirrors.catalogue.created
        )
        self.board.embedded_total = self._total.count
        self.refresh()

    def open_catalogue(self) -> None:
        """For orders that need no model. NothingIndexed if there is no index."""
        catalogue = self.database.catalogue()
        if catalogue is None:
            raise NothingIndexed
        self.mirrors.catalogue = catalogue

    def close(self) -> None:
        """Idempotent; the locks go last."""
        self._decoder.close()
        self.recent.close()
        self.roots.close()
        self.database.close()
        self.board.stop()
        self._unlock()

    def _unlock(self) -> None:
        for lock in reversed(self._locks):
            lock.release()

    def abandon(self) -> None:
        """From any thread: give up what is being decoded, so that close() need not wait."""
        self.stop.set()
        self._decoder.close()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- the verb ---------------------------------------------------------------------------

    @property
    def everything(self) -> list[Place]:
        """Every root."""
        return [Place(root, "") for root in self.config.roots]

    def sync(
        self,
        places: Collection[Place],
        *,
        settled: bool = True,
        listener: Listener | None = None,
        urgent: Urgent | None = None,
        announced: Callable[[], Collection[Place]] = tuple,
    ) -> SyncReport:
        """SyncService.sync on the index that answers."""
        if self.mirrors.serving is None:
            roots = {place.root for place in places}
            return SyncReport(suspended={r: str(self.root_problem(r)) for r in roots})
        around = self.board.work
        job = self._job(listener, urgent)
        service = self._services.of(self.mirrors.serving, self.holds)
        try:
            self._forecast(service, places, job)
            report = service.sync(places, job, settled=settled, announced=announced)
            self.board.skipped |= report.skipped
            self.refresh()
        except (OSError, sqlite3.Error) as error:
            raise _state_error(self.config, error) from error
        finally:
            self.board.work = around
        self.reported(places, report)
        return report

    def _job(self, listener: Listener | None, urgent: Urgent | None) -> Job:
        return Job(
            self.board,
            self._total,
            self.stop,
            listener=listener,
            count=self._tally.count,
            metrics=self.metrics,
            urgent=urgent,
        )

    def _forecast(self, service: SyncService, places: Collection[Place], job: Job) -> None:
        """How much a first index of several roots will be, before the first of them is done."""
        later = [root for root in self.config.roots if Place(root, "") in places][1:]
        rows = service.index.store.roots() if later else {}
        new = [r for r in later if not rows.get(r) and service.root_problem(r) is None]
        forecast((Scanner(r, self.config.roots[r], self.candidates) for r in new), job)

    def root_problem(self, root: str) -> str | None:
        """Why the root is left alone; None if it is healthy and the model is there."""
        if self.mirrors.serving is None:
            return self.mirrors.problem or "The model of this index cannot be loaded."
        return self._services.of(self.mirrors.serving, self.holds).root_problem(root)

    def build(self, listener: Listener | None, urgent: Urgent) -> bool:
        """One pass over the index being built; switch to it once a pass finds nothing to do (what
        was urgent meanwhile went to the index that answers, and is found by the next pass)."""
        assert self.mirrors.building is not None
        service = self._services.of(self.mirrors.building, self._never_holds)
        try:
            job = self._job(listener, urgent)
            self._forecast(service, self.everything, job)
            report = service.sync(self.everything, job)
        except (OSError, sqlite3.Error) as error:
            raise _state_error(self.config, error) from error
        finally:
            self.board.work = Work()
        # A file that is always being written is no reason to wait: the next scan looks at it.
        if report.found > len(report.again) or report.stopped:
            return False
        old = self.database.vectors(self.mirrors.catalogue.serving)
        blocker = switch_blocker(report, old, self.config.roots, holding=bool(self.holds))
        self.board.problem("switch", blocker)
        if blocker:
            return False
        try:
            self.mirrors.switch()
        finally:
            self._services.clear()  # among them the one that holds no deletions
        self.refresh()
        return True

    # ---- housekeeping -----------------------------------------------------------------------

    def maintain(self) -> None:
        """At quiet times."""
        self.recent.prune()
        self._services.maintain()

    def refresh(self) -> None:
        """Count again what the status shows; keep the notes."""
        self.board.rejected = len(self.rejections)
        self.board.problem("model", self.mirrors.problem)
        self._tally.refresh()
        if self.rejections != self._saved_rejections:
            write_rejections(self.config.state / "daemon", self.rejections)
            self._saved_rejections = dict(self.rejections)


def _state_error(config: Config, error: Exception) -> AppError:
    return AppError(
        f"A file of the daemon below {config.state} could not be used ({error}). "
        "Check the free space and the permissions; nothing is lost."
    )
