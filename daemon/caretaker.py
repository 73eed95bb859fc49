"""Looks after what the mirror stands on: roots that are there, and events that arrive from them."""

from pathlib import Path

from core.config import Config
from core.pulse import Pulse
from daemon.canary import Canary
from daemon.engine import Engine
from daemon.hints import Hints
from daemon.pace import SCAN_WITHOUT_EVENTS_SECONDS
from daemon.sentry import Sentry
from daemon.watcher import Watcher

SILENT_SECONDS = 60


class Caretaker:
    """Owns the watcher and the sentry. Used by the daemon's loop alone."""

    def __init__(self, config: Config, engine: Engine, hints: Hints) -> None:
        self._roots: dict[str, Path] = config.roots
        self._rescan_minutes = config.watch.rescan_minutes
        self._engine = engine
        self._hints = hints
        folder = config.state / "daemon" / "canary"
        self._canary = Canary(folder)
        self.pulse = Pulse(SILENT_SECONDS)
        """Of the watcher's threads."""
        self.watcher = Watcher(
            config.roots, hints, self._ignored, canary=folder, beat=self.pulse.beat
        )
        self._sentry = Sentry(config.roots, engine.roots.glance, engine.board.suspend)
        self._looked_in = self._shared_in = -1
        self._shared: dict[str, str] = {}
        """Root -> why its changes may bring no events."""

    def start(self, arm_seconds: float) -> None:
        """Watch every root; returns when all of them are watched, or after so long."""
        self._sing()
        self._sentry.ensure()
        self.watcher.start()
        self.watcher.wait_armed(arm_seconds)

    def stop(self) -> None:
        """Idempotent."""
        self._sentry.ask_to_stop()
        self.watcher.stop()
        self._sentry.stop()

    @property
    def without_events(self) -> bool:
        """Whether some changes are found by scans alone."""
        return bool(self._hints.unwatched or self._shared)

    def alarmed(self) -> bool:
        """A watcher is in trouble or a mount has changed since the last look: look at once."""
        return self._hints.alarmed() or self._engine.roots.generation != self._looked_in

    def look(self) -> bool:
        """Are the roots still there, is everything still watched? True if a root is watched again
        that was not: what changed meanwhile brought no events."""
        self._looked_in = self._engine.roots.generation
        self.watcher.ensure()
        self._sentry.ensure()
        self._sing()
        for root in self._canary.silent(self.watcher.heard):
            self.watcher.replace(root)
        self._find_shared()
        watched_again = False
        unwatched = self._hints.unwatched
        for root in self._roots:
            self._root_health(root)
            if root in unwatched and root in self.watcher.armed and not self.watcher.failed_watches:
                self._hints.watched(root)
                watched_again = True
            self._engine.board.problem(f"watching {root}", self._hints.unwatched.get(root))
        return watched_again

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
        minutes = min(self._rescan_minutes, SCAN_WITHOUT_EVENTS_SECONDS / 60)
        for root in self._roots:
            self._shared.pop(root, None)
            if kind := roots.shared(root):
                self._shared[root] = (
                    f"Root '{root}' lies on {kind}, which does not tell of changes made elsewhere: "
                    f"all of it is compared every {minutes:g} minutes."
                )
            self._engine.board.problem(f"events of {root}", self._shared.get(root))

    def _root_health(self, root: str) -> None:
        was = self._engine.board.states[root]  # before: the sentry may suspend it meanwhile
        problem = self._engine.root_problem(root)
        if problem:
            self._engine.board.state(root, "suspended", problem)
        elif was == "suspended":
            self._engine.board.state(root, "scanning")
            self._hints.rescan(root)

    def _ignored(self, _root: str, relative: bytes, is_dir: bool) -> bool:  # noqa: FBT001 - Ignored
        return self._engine.candidates.ignored(relative, is_dir=is_dir)
