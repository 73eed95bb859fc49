"""The daemon: one loop in which every reason to act ends in Engine.sync."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Collection

from core.config import Config
from core.errors import AppError, ConfigError
from core.health import Vitals
from core.pulse import Pulse
from core.reader import COARSEST_TICK_SECONDS
from core.records import Place
from core.state import Progress
from daemon.canary import Canary
from daemon.commands import carry_out
from daemon.control import ControlServer, Request
from daemon.engine import Engine, Urgent
from daemon.health import daemon_vitals
from daemon.hints import Hints
from daemon.job import Listener
from daemon.opening import open_patiently
from daemon.sync import SyncReport
from daemon.watcher import Watcher

logger = logging.getLogger(__name__)

HEALTH_SECONDS = 1.0
MOUNTS_SECONDS = 0.25
"""A watcher that is being armed anew tells of no mount."""
FAILED_AGAIN_SECONDS = 60
LONGEST_BACKOFF_SECONDS = 60
SCAN_WITHOUT_EVENTS_SECONDS = 300
MAINTAIN_SECONDS = 300
ARM_SECONDS = 60
"""A tree whose folders are not all watched by then is scanned while the rest is being armed; the
watcher asks for another look at every folder that it arms later."""
STOP_SECONDS = 5
SILENT_SECONDS = 300
"""A loop that turns is never silent for so long: no file and no answer of a store takes as much."""
LONGEST_STEP_SECONDS = 3600
"""But fetching a model or compacting a large index may."""
LOG_SECONDS = 10


class Daemon:
    """Keeps the index equal to the folders until it is asked to stop."""

    def __init__(
        self,
        config: Config,
        *,
        listener: Listener | None = None,
        ready: Callable[[], None] = lambda: None,
    ) -> None:
        """`listener` hears of progress (default: the log does); `ready` is called once watching."""
        self._config = config
        self._listener = listener or _LogProgress()
        self._ready = ready
        self.started = False
        """False while the model is being loaded, perhaps downloaded, and folders are armed."""
        self._engine = Engine(config)
        self._hints = Hints(config.watch.settle_seconds)
        self._requests: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._control = ControlServer(config.state / "daemon" / "control.sock", self._receive)
        folder = config.state / "daemon" / "canary"
        self._canary = Canary(folder)
        self._watcher = Watcher(config.roots, self._hints, self._ignored, canary=folder)
        self._looked_in = self._shared_in = -1
        self._shared: dict[str, str] = {}
        """Root -> why its changes may bring no events."""
        self._depth = 0
        """How many syncs are under way around the current one."""
        self._backoff_seconds = 0.0
        self._not_before = 0.0
        self._next_scan = 0.0
        self._next_health = 0.0
        self._next_maintenance = time.monotonic() + MAINTAIN_SECONDS
        self._next_build = 0.0
        self._build_pause_seconds = HEALTH_SECONDS
        self._failed: dict[Place, str] = {}
        self._dealt_with: list[Place] = []
        self._engine.reported = self._digest
        self._pulse = Pulse(SILENT_SECONDS)
        self._engine.metrics.watch(
            self._engine.board, lambda: self._hints.lag_seconds, lambda: self._pulse.age_seconds
        )

    def vitals(self) -> Vitals:
        """For whoever watches over processes."""
        engine = self._engine
        return daemon_vitals(
            self._config, engine.board, engine.metrics, self._pulse, lambda: self.started
        )

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
            self._control.start()
            with self._pulse.allowing(LONGEST_STEP_SECONDS):
                open_patiently(engine, self._refuse)
            if engine.stop.is_set():
                return
            self._sing()
            self._watcher.start()
            self._watcher.wait_armed(ARM_SECONDS)
            self._ready()
            logger.info("Watching %s", ", ".join(map(str, self._config.roots.values())))
            self.started = True
            while not engine.stop.is_set():
                self._step()
        finally:
            self._watcher.stop()
            self._control.stop()
            engine.close()
            logger.info("Stopped")

    # ---- one turn of the loop ---------------------------------------------------------------

    def _step(self) -> None:
        try:
            self._look_after()
            if time.monotonic() < self._not_before:
                self._serve_requests()
                self._hints.wait(0.2)
                return
            self._urgent()
            if time.monotonic() >= self._next_scan:
                self._scan()
            elif self._engine.mirrors.building and time.monotonic() >= self._next_build:
                self._build()
            elif time.monotonic() >= self._next_maintenance and not self._hints.pending:
                self._next_maintenance = time.monotonic() + MAINTAIN_SECONDS
                with self._pulse.allowing(LONGEST_STEP_SECONDS):
                    self._engine.maintain()
            else:
                self._hints.wait(MOUNTS_SECONDS)
            self._succeeded()
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
        """Once a second, and at once when a watcher is in trouble or a mount has changed: are the
        roots still there, is everything still watched?"""
        self._pulse.beat()
        now, generation = time.monotonic(), self._engine.roots.generation
        alarmed = self._hints.alarmed() or generation != self._looked_in
        if now < self._next_health and not alarmed:
            return
        self._looked_in = generation
        self._next_health = now + HEALTH_SECONDS
        self._watcher.ensure()
        self._control.ensure()
        self._engine.board.ensure()
        self._sing()
        for root in self._canary.silent(self._watcher.heard):
            self._watcher.replace(root)
        self._find_shared()
        unwatched = self._hints.unwatched
        for root in self._config.roots:
            self._root_health(root)
            if root in unwatched and root in self._watcher.armed and self._fully_watched:
                self._hints.watched(root)
                self._next_scan = 0.0
            self._engine.board.problem(f"watching {root}", self._hints.unwatched.get(root))
        self._next_scan = min(self._next_scan, now + self._scan_interval_seconds())
        if self._engine.mirrors.retry():
            self._next_scan = 0.0
        board = self._engine.board
        board.pending = self._hints.pending + max(0, board.work.total - board.work.done)
        board.moved()

    def _sing(self) -> None:
        try:
            self._canary.sing()
        except OSError as error:
            reason = f"The state folder cannot be written ({error.strerror})."
            self._engine.board.problem("canary", f"{reason} Nobody can tell if events arrive.")
        else:
            self._engine.board.problem("canary", None)

    def _find_shared(self) -> None:
        """Roots on file systems that send no events; asked again whenever a mount has changed."""
        roots = self._engine.roots
        if self._shared_in == roots.generation:
            return
        self._shared_in = roots.generation
        minutes = min(self._config.watch.rescan_minutes, SCAN_WITHOUT_EVENTS_SECONDS / 60)
        for root in self._config.roots:
            self._shared.pop(root, None)
            if kind := roots.shared(root):
                self._shared[root] = (
                    f"Root '{root}' lies on {kind}, which does not tell of changes made elsewhere: "
                    f"all of it is compared every {minutes:g} minutes."
                )
            self._engine.board.problem(f"events of {root}", self._shared.get(root))

    @property
    def _fully_watched(self) -> bool:
        return not self._watcher.failed_watches

    def _root_health(self, root: str) -> None:
        problem = self._engine.root_problem(root)
        was = self._engine.board.states[root]
        if problem:
            self._engine.board.state(root, "suspended", problem)
        elif was == "suspended":
            self._engine.board.state(root, "scanning")
            self._hints.rescan(root)

    def _scan(self) -> None:
        """The truth: everything is compared."""
        engine = self._engine
        self._next_scan = time.monotonic() + self._scan_interval_seconds()
        for root, state in engine.board.states.items():
            if state != "suspended":
                engine.board.state(root, "scanning")
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

    def _scan_interval_seconds(self) -> float:
        interval = self._config.watch.rescan_minutes * 60
        if self._hints.unwatched or self._shared:
            return min(interval, SCAN_WITHOUT_EVENTS_SECONDS)
        return interval

    def _build(self) -> None:
        """One pass over the index being built; the more of them were in vain, the rarer."""
        if self._engine.build(self._listener, self._between):
            self._build_pause_seconds = HEALTH_SECONDS
            self._next_scan = 0.0  # what changed during the last pass
        else:
            self._next_build = time.monotonic() + self._build_pause_seconds
            longest = self._config.watch.rescan_minutes * 60
            self._build_pause_seconds = min(longest, self._build_pause_seconds * 2)

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
        while not self._requests.empty():
            request = self._requests.get()
            carry_out(self._engine, request)
            if request.command == "forget":  # of a root that stays: it is indexed again
                self._next_scan = 0.0

    def _sync_due(self, due: list[Place], urgent: Urgent | None) -> None:
        try:
            self._engine.sync(due, listener=self._listener, urgent=urgent)
        except BaseException:
            for place in due:  # not done: to be looked at again, whatever happens next
                self._hints.postpone(place, HEALTH_SECONDS)
            raise

    def _digest(self, asked: Collection[Place], report: SyncReport) -> None:
        """Whoever asked for a sync, this is what follows from it."""
        if not report.stopped:
            self._hints.done(asked)
            if not report.suspended:
                self._dealt_with += asked
        for place in report.again:
            self._hints.postpone(place, self._config.watch.settle_seconds)
        for place in report.racy:
            self._hints.postpone(place, COARSEST_TICK_SECONDS)
        for place in [p for p in self._failed if any(a.covers(p) for a in asked)]:
            del self._failed[place]
        self._failed |= report.failed
        for place in report.failed:
            self._hints.postpone(place, FAILED_AGAIN_SECONDS)
        engine = self._engine
        engine.board.problem("unreadable", _unreadable(self._failed))
        for root, reason in report.suspended.items():
            engine.board.state(root, "suspended", reason)
        self._refresh_states()

    def _refresh_states(self) -> None:
        """What was scanned is watched, unless its root is suspended."""
        if self._depth:
            return  # a scan goes on around us
        for root, state in list(self._engine.board.states.items()):
            if state in ("scanning", "starting") and time.monotonic() < self._next_scan:
                self._engine.board.state(root, "watching")

    # ---- failures ---------------------------------------------------------------------------

    def _try_later(self, sentence: str) -> None:
        self._backoff_seconds = min(LONGEST_BACKOFF_SECONDS, max(1.0, self._backoff_seconds * 2))
        self._not_before = time.monotonic() + self._backoff_seconds
        self._next_scan = 0.0  # whatever was lost on the way is found by comparing everything
        self._engine.board.problem("work", sentence)
        self._engine.metrics.failures.inc()

    def _succeeded(self) -> None:
        if self._backoff_seconds and self._next_scan:
            self._backoff_seconds = 0.0
            self._engine.board.problem("work", None)

    def _refuse(self, error: AppError) -> None:
        while not self._requests.empty():
            self._requests.get().fail(error)

    # ---- from other threads -----------------------------------------------------------------

    def _receive(self, request: Request) -> None:
        self._requests.put(request)
        self._hints.wake()

    def _ignored(self, _root: str, relative: bytes, is_dir: bool) -> bool:  # noqa: FBT001 - Ignored
        return self._engine.candidates.ignored(relative, is_dir=is_dir)


def _unreadable(failed: dict[Place, str]) -> str | None:
    if not failed:
        return None
    place, reason = min(failed.items())
    more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
    return (
        f"Cannot be read: {place} ({reason}){more}. What is indexed of it stays; "
        "check the permissions and the disk."
    )


class _LogProgress:
    """Progress where nobody watches a bar: a line now and then."""

    def __init__(self) -> None:
        self._next = time.monotonic() + LOG_SECONDS

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + LOG_SECONDS
            left = progress.seconds_left
            logger.info(
                "%d of %d files, %.1f a second%s",
                progress.done,
                progress.total,
                progress.per_second,
                f", {left:.0f} s left" if left else "",
            )
