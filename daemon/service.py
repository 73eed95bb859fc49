"""The daemon: one loop in which every reason to act ends in Engine.sync."""

import logging
import sys
import threading
import time
from collections.abc import Callable, Collection

from core.config import Config
from core.errors import AppError, ConfigError
from core.health import Vitals
from core.pulse import Pulse
from core.records import Place
from core.stages import Stages
from core.summary import summary
from daemon.aftermath import Aftermath
from daemon.caretaker import Caretaker
from daemon.engine import Engine, Urgent
from daemon.health import daemon_vitals
from daemon.hints import Hints
from daemon.inbox import Inbox
from daemon.job import Listener
from daemon.opening import open_patiently
from daemon.pace import Pace
from daemon.progress import LogProgress
from daemon.sync import SyncReport

logger = logging.getLogger(__name__)

HEALTH_SECONDS = 1.0
MOUNTS_SECONDS = 0.25
"""A watcher that is being armed anew tells of no mount."""
ARM_SECONDS = 60
"""A tree whose folders are not all watched by then is scanned while the rest is being armed; the
watcher asks for another look at every folder that it arms later."""
STOP_SECONDS = 5
SILENT_SECONDS = 300
"""A loop that turns is never silent for so long: no file and no answer of a store takes as much."""
LONGEST_STEP_SECONDS = 3600
"""But fetching a model or compacting a large index may."""


class Daemon:
    """Keeps the index equal to the folders until it is asked to stop."""

    def __init__(
        self,
        config: Config,
        *,
        listener: Listener | None = None,
        ready: Callable[[], None] = lambda: None,
        stages: Stages | None = None,
    ) -> None:
        """`listener` hears of progress (default: the log does); `ready` is called once watching.
        `stages` are told to whoever looks after this process."""
        self._config = config
        self._listener = listener or LogProgress()
        self._ready = ready
        self.started = False
        """False while the model is being loaded, perhaps downloaded, and folders are armed."""
        self._engine = Engine(config)
        self._hints = Hints(config.watch.settle_seconds)
        self._inbox = Inbox(config.state / "daemon" / "control.sock", self._hints.wake)
        self._caretaker = Caretaker(config, self._engine, self._hints)
        self._pace = Pace(config.watch.rescan_minutes)
        self._depth = 0
        """How many syncs are under way around the current one."""
        self._next_look = 0.0
        self._dealt_with: list[Place] = []
        self._aftermath = Aftermath(self._engine.board, self._hints, config.watch.settle_seconds)
        self._engine.reported = self._digest
        self._pulse = Pulse(SILENT_SECONDS)
        self._stages = stages or Stages()
        self._engine.metrics.watch(
            self._engine.board, lambda: self._hints.lag_seconds, lambda: self._pulse.age_seconds
        )

    def vitals(self) -> Vitals:
        """For whoever watches over processes."""
        engine = self._engine
        return daemon_vitals(
            self._config, engine.board, engine.metrics, self._pulse, lambda: self.started
        )

    def summary(self) -> str:
        """One line: what it is doing."""
        return summary(self._engine.board.status())

    def stop(self) -> None:
        """From any thread or signal handler: end soon, whatever is under way."""
        self._engine.stop.set()
        self._hints.wake()
        timer = threading.Timer(STOP_SECONDS, self._engine.abandon)
        timer.daemon = True
        timer.start()

    def run(self) -> None:
        """Returns after stop(). AppError if it cannot start."""
        engine = self._engine
        try:
            self._stages.add("loop", self._pulse)
            self._stages.add("status", engine.board.pulse)
            self._inbox.start()
            self._stages.add("control socket", self._inbox.pulse)
            with self._pulse.allowing(LONGEST_STEP_SECONDS):
                open_patiently(engine, self._inbox.refuse, self._pulse.beat)
            if engine.stop.is_set():
                return
            if sys.platform == "linux":  # the stock observer of others gives no sign
                self._stages.add("watchers", self._caretaker.pulse)
            self._caretaker.start(ARM_SECONDS)
            self._ready()
            logger.info("Watching %s", ", ".join(map(str, self._config.roots.values())))
            self.started = True
            while not engine.stop.is_set():
                self._step()
        finally:
            self._caretaker.stop()
            self._inbox.stop()
            engine.close()
            logger.info("Stopped")

    # ---- one turn of the loop ---------------------------------------------------------------

    def _step(self) -> None:
        try:
            self._look_after()
            if self._pace.pausing:
                self._serve_requests()
                self._hints.wait(0.2)
                return
            self._urgent()
            if self._pace.scan_due:
                self._scan()
            elif self._engine.mirrors.building and self._pace.build_due:
                self._pace.built(complete=self._engine.build(self._listener, self._between))
            elif self._pace.upkeep_due and not self._hints.pending:
                self._pace.upkeep_begins()
                with self._pulse.allowing(LONGEST_STEP_SECONDS):
                    self._engine.maintain()
            else:
                self._hints.wait(MOUNTS_SECONDS)
            if self._pace.recovered():
                self._engine.board.problem("work", None)
        except ConfigError:
            raise
        except AppError as error:
            if not self._engine.stop.is_set():
                self._try_later(str(error))
        except Exception as error:
            # A mistake of ours must not end the mirror: log it whole, go on, scan everything.
            logger.exception("Unexpected error")
            self._try_later(f"An unexpected error, {type(error).__name__}; the log has it whole.")

    def _look_after(self) -> None:
        """Once a second, and at once when events may have been lost."""
        self._pulse.beat()
        now, alarmed = time.monotonic(), self._caretaker.alarmed()
        if now < self._next_look and not alarmed:
            return
        self._next_look = now + HEALTH_SECONDS
        board = self._engine.board
        self._inbox.ensure()
        board.ensure()
        watched_again = self._caretaker.look()
        self._pace.events(missing=self._caretaker.without_events)
        with self._pulse.allowing(LONGEST_STEP_SECONDS):
            found = self._engine.mirrors.retry()
        if found or watched_again:
            self._pace.scan_now()
        board.pending = self._hints.pending + max(0, board.work.total - board.work.done)
        board.moved()

    def _scan(self) -> None:
        """The truth: everything is compared."""
        engine = self._engine
        self._pace.scan_begins()
        for root in engine.board.states:
            engine.board.advance(root, ("starting", "watching"), "scanning")
        started = time.monotonic()
        report = engine.sync(
            engine.everything,
            settled=False,
            listener=self._listener,
            urgent=self._between,
            announced=self._hints.places,
        )
        if report.stopped:
            return
        seconds = time.monotonic() - started
        engine.board.scanned(report.drift, seconds)
        logger.info(
            "Scanned everything in %.1f s: %d differences (drift %d), %d written, %d deleted",
            seconds,
            report.found,
            report.drift,
            report.written,
            report.deleted,
        )

    def _between(self) -> list[Place]:
        """_urgent in the middle of other work."""
        self._depth += 1
        try:
            return self._urgent(nested=True)
        finally:
            self._depth -= 1

    def _urgent(self, *, nested: bool = False) -> list[Place]:
        """What cannot wait for the end of a scan: people's commands, and files just changed.

        Returns the places that it dealt with.
        """
        self._dealt_with = []
        self._look_after()
        self._serve_requests()
        due = self._hints.due()
        if nested:
            # A whole root is what the work around us is about; it is looked at again afterwards.
            for place in [place for place in due if not place.path]:
                due.remove(place)
                self._hints.postpone(place, HEALTH_SECONDS)
        if due:
            self._sync_due(due, None if nested else self._between)
        return self._dealt_with

    def _serve_requests(self) -> None:
        for command in self._inbox.serve(self._engine):
            if command == "forget":  # of a root that stays: it is indexed again
                self._pace.scan_now()

    def _sync_due(self, due: list[Place], urgent: Urgent | None) -> None:
        try:
            self._engine.sync(due, listener=self._listener, urgent=urgent)
        except BaseException:
            for place in due:  # not done: to be looked at again, whatever happens next
                self._hints.postpone(place, HEALTH_SECONDS)
            raise

    def _digest(self, asked: Collection[Place], report: SyncReport) -> None:
        self._aftermath.follow(asked, report)
        if not report.stopped and not report.suspended:
            self._dealt_with += asked
        self._refresh_states()

    def _refresh_states(self) -> None:
        """What was scanned is watched, unless its root is suspended."""
        if self._depth:
            return  # a scan goes on around us
        if not self._pace.scan_due:
            for root in self._engine.board.states:
                self._engine.board.advance(root, ("scanning", "starting"), "watching")

    # ---- failures ---------------------------------------------------------------------------

    def _try_later(self, sentence: str) -> None:
        self._pace.failed()
        self._engine.board.problem("work", sentence)
        self._engine.metrics.failures.inc()
