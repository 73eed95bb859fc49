"""Tells the world how the daemon is: keeps status.json fresh from a thread of its own."""

import logging
import os
import threading
import time
from collections.abc import Collection, Mapping
from pathlib import Path

from core.pulse import Pulse
from core.state import (
    RootStatus,
    State,
    Status,
    read_status,
    utc_text,
    worst,
    write_status,
)
from daemon.work import Work

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 5
COUNTS_SECONDS = 1
SILENT_SECONDS = 60


class Board:
    """What is known of the daemon; set from its main thread, written out by another.

    Only `suspend` may be called from any thread."""

    def __init__(self, folder: Path, roots: Mapping[str, int], store: str) -> None:
        """`roots`: name -> rows."""
        self._folder = folder
        self._store = store
        self._changed = threading.Condition()
        self._turning = threading.Lock()
        """Of states and reasons."""
        self._urgent = False
        self._moved = False
        self._closed = False
        self._thread: threading.Thread | None = None
        self.pulse = Pulse(SILENT_SECONDS)
        """Of the thread that writes."""
        self.model: str | None = None
        self.indexed = dict(roots)
        self.states: dict[str, State] = dict.fromkeys(roots, "starting")
        self.reasons: dict[str, str] = {}
        self.problems: dict[str, str] = {}
        """What is wrong, by a key under which it is taken back."""
        self.pending = 0
        self.rejected = 0
        self.skipped: dict[str, int] = {}
        """Files that are no pictures, by root; filled by complete scans."""
        self.held = 0
        self.embedded_total = 0
        self.last_scan_seconds: float | None = None
        self.scan_duration_seconds = 0.0
        self.drift: int | None = None
        self._before = read_status(folder)
        self.work = Work()

    def start(self) -> None:
        """Begin to write; the first status is on the disk when this returns."""
        self._write()
        self.ensure()

    def ensure(self) -> None:
        """Replace the thread that writes, should it have died."""
        if not (self._thread and self._thread.is_alive()):
            self._thread = threading.Thread(target=self._run, name="status", daemon=True)
            self._thread.start()

    def state(self, root: str, state: State, reason: str | None = None) -> None:
        """A root's state; a change is written at once."""
        with self._turning:
            if self.states.get(root) != state or self.reasons.get(root) != reason:
                self._turn(root, state, reason)

    def suspend(self, root: str, reason: str) -> None:
        """From any thread: the root is suspended; a reason that is known already stays."""
        with self._turning:
            if self.states[root] != "suspended":
                self._turn(root, "suspended", reason)

    def advance(self, root: str, before: Collection[State], state: State) -> None:
        """The root's state, if it is one of those `before`: another thread may suspend it."""
        with self._turning:
            if self.states[root] in before:
                self._turn(root, state, None)

    def problem(self, key: str, sentence: str | None) -> None:
        """Something is wrong (None: no longer); written and logged at once when it is news."""
        if self.problems.get(key) == sentence:
            return
        if sentence is None:
            del self.problems[key]
            logger.info("No longer: %s", key)
        else:
            self.problems[key] = sentence
            logger.warning("%s", sentence)
        self._wake(urgent=True)

    def moved(self) -> None:
        """A count has changed; written within a second."""
        self._wake(urgent=False)

    def scanned(self, drift: int, duration_seconds: float) -> None:
        """A complete scan has ended, and met so many changes that no event had told of."""
        self.scan_duration_seconds = duration_seconds
        self.last_scan_seconds, self.drift = time.time(), drift
        self._wake(urgent=False)

    def status(self) -> Status:
        """The document, as it is now."""
        roots = {
            name: RootStatus(state, self.reasons.get(name), self.indexed.get(name, 0))
            for name, state in list(self.states.items())
        }
        scan, before = self.last_scan_seconds, self._before
        last_scan = before.last_scan if before else None
        if scan is not None:
            last_scan = utc_text(scan)
        return Status(
            state=worst([root.state for root in roots.values()]),
            roots=roots,
            model=self.model,
            store=self._store,
            indexed=sum(root.indexed for root in roots.values()),
            pending=self.pending,
            rejected=self.rejected,
            skipped=sum(self.skipped.values()) if self.skipped or not before else before.skipped,
            held_deletions=self.held,
            embedded_total=self.embedded_total,
            problems=[*list(self.problems.values()), *list(self.reasons.values())],
            last_scan=last_scan,
            drift=self.drift if scan is not None or not before else before.drift,
            progress=self.work.progress(time.monotonic()),
        )

    def stop(self) -> None:
        """Say `stopped`, once and for all."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread:
            self._thread.join()
        for root in self.states:
            self.states[root] = "stopped"
        self.pending, self.work = 0, Work()
        self._write()

    def _turn(self, root: str, state: State, reason: str | None) -> None:
        self.states[root] = state
        self.reasons.pop(root, None)
        if reason:
            self.reasons[root] = reason
        self._wake(urgent=True)

    def _wake(self, *, urgent: bool) -> None:
        with self._changed:
            self._moved = True
            self._urgent |= urgent
            self._changed.notify()

    def _run(self) -> None:
        written = time.monotonic()
        while True:
            self.pulse.beat()
            with self._changed:
                while not (self._closed or self._urgent):
                    wait = COUNTS_SECONDS if self._moved else HEARTBEAT_SECONDS
                    if (left := written + wait - time.monotonic()) <= 0:
                        break
                    self._changed.wait(left)
                if self._closed:
                    return
                self._urgent = self._moved = False
            self._write()
            written = time.monotonic()

    def _write(self) -> None:
        try:
            write_status(self._folder, self.status(), pid=os.getpid())
        except (
            OSError
        ) as error:  # a full disk must not end the daemon; readers will see it as stale
            logger.warning("%s cannot be written: %s.", self._folder, error.strerror)
