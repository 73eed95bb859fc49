"""Tells where to look again. Events are hints: nothing here or behind acts on an event's kind.

On Linux the events come from our own emitter (armed_root.py), because watchdog's drops the kernel's
"I lost events" (watchdog #654), never watches folders that were moved in (#1094), goes on reporting
folders that were moved out (#363) and can die unnoticed (#452, #600). There, watchdog only runs the
emitter's thread: its queue and dispatcher carry nothing, so that no queue can grow and no
dispatcher can die (#427). Other platforms use the stock observer.
"""

import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Self, cast

from watchdog import events
from watchdog.observers.api import BaseObserver, EventEmitter, EventQueue, ObservedWatch

from daemon.armed_root import ArmedRoot
from daemon.root_keeper import RootKeeper
from daemon.signals import Ignored, SafeSink, Sink, Trouble
from daemon.watcher_stock import ENDED, JOIN_SECONDS, StockRoot

__all__ = ["Ignored", "Sink", "Trouble", "Watcher"]

TURN_SECONDS = 0.25
"""So long an idle thread waits at most before it looks at its root, or for the order to stop."""

_SILENT = "Events of root '{}' have ceased to arrive; a new thread watches it."


class Watcher:
    """Watches folders and tells a sink, from threads of its own, where to look again.

    Start it, `wait_armed`, then scan: what changes during the scan is hinted, and a root armed only
    after `wait_armed` returned is hinted as a whole. Then call `ensure` every second or so.
    """

    def __init__(
        self,
        roots: Mapping[str, Path],
        sink: Sink,
        ignored: Ignored,
        *,
        canary: Path | None = None,
        beat: Callable[[], None] = lambda: None,
        inotify: bool = sys.platform == "linux",
    ) -> None:
        """`ignored` is called from the watcher's threads; an ignored folder is not watched.
        `canary` is a folder that is watched together with every root, see `heard`. `beat` is called
        while the thread of any root turns: one that hangs in a dead disk is replaced, and is no
        sign that all is lost."""
        self._roots: dict[str, _InotifyRoot | StockRoot] = {
            root: _InotifyRoot(root, path, sink, ignored, canary, beat)
            if inotify
            else StockRoot(root, path, sink, ignored)
            for root, path in roots.items()
        }

    def start(self) -> None:
        """Begin to arm every root, each in its own thread. A missing root is armed later."""
        self.ensure()

    def wait_armed(self, timeout_seconds: float) -> bool:
        """Wait until each root is armed or cannot be for now; whether all of them are armed."""
        deadline = time.monotonic() + timeout_seconds
        armed = [root.wait_armed(deadline - time.monotonic()) for root in self._roots.values()]
        return all(armed)

    def ensure(self) -> None:
        """Replace what has died (watchdog does not notice: #452). Never waits for a disk on Linux:
        there the threads themselves look for roots that are missing, replaced or mounted over."""
        for root in self._roots.values():
            root.ensure()

    def replace(self, root: str) -> None:
        """Give up a root's watcher, whatever has become of it, and begin anew with another."""
        self._roots[root].replace()

    def stop(self) -> None:
        """Within a second, even if a sink hangs; may be called twice."""
        for root in self._roots.values():
            root.ask_to_stop()  # all of them before the first is waited for
        for root in self._roots.values():
            root.stop()

    @property
    def armed(self) -> set[str]:
        """The roots that are watched as far as the system's limits allow."""
        return {name for name, root in self._roots.items() if root.armed}

    @property
    def heard(self) -> dict[str, float]:
        """When each root last had an event of the canary, or began to listen; monotonic. Roots
        that are not watched, or whose watcher cannot watch a canary, are left out."""
        heard = {name: root.heard_seconds for name, root in self._roots.items()}
        return {name: seconds for name, seconds in heard.items() if seconds is not None}

    @property
    def watches(self) -> int:
        """Folders watched."""
        return sum(root.watches for root in self._roots.values())

    @property
    def failed_watches(self) -> int:
        """Folders for which the system had no watch left; only a scan finds their changes."""
        return sum(root.failed_watches for root in self._roots.values())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _InotifyRoot:
    """A root read by a RootKeeper in the thread of a watchdog emitter."""

    def __init__(
        self,
        root: str,
        path: Path,
        sink: Sink,
        ignored: Ignored,
        canary: Path | None,
        beat: Callable[[], None],
    ) -> None:
        self._path = path
        self._sink = SafeSink(sink)
        arm = partial(ArmedRoot, root, path, self._sink, ignored, canary)
        self._make_keeper = partial(RootKeeper, root, arm, self._sink, beat)
        self._keeper = self._make_keeper()
        self._observer: BaseObserver | None = None
        self._root = root

    @property
    def armed(self) -> bool:
        return self._alive and self._keeper.armed.is_set()

    @property
    def watches(self) -> int:
        return self._keeper.watches

    @property
    def failed_watches(self) -> int:
        return self._keeper.unwatched

    @property
    def heard_seconds(self) -> float | None:
        return self._keeper.heard_seconds if self._alive else None

    def wait_armed(self, timeout_seconds: float) -> bool:
        if self._observer:
            self._keeper.attempted.wait(max(0.0, timeout_seconds))
        self._keeper.announce = True  # what is armed later was not armed before the first scan
        return self.armed

    def ensure(self) -> None:
        if self._alive:
            return
        if self._observer:
            self._give_up(ENDED)
        # One observer a root, because watchdog gives an emitter nothing of ours but its path.
        emitter = partial(_Emitter, keeper=self._keeper)
        self._observer = BaseObserver(cast("type[EventEmitter]", emitter), timeout=TURN_SECONDS)
        self._observer.schedule(events.FileSystemEventHandler(), str(self._path), recursive=True)
        self._observer.start()

    def replace(self) -> None:
        self._give_up(_SILENT)
        self.ensure()

    def _give_up(self, reason: str) -> None:
        self._sink.trouble(self._root, Trouble.READER_DIED, reason.format(self._root))
        self.stop()  # a thread that hangs is left behind
        self._keeper.announce = True

    def ask_to_stop(self) -> None:
        for emitter in self._observer.emitters if self._observer else ():
            emitter.stop()

    def stop(self) -> None:
        observer, self._observer = self._observer, None
        if observer:
            observer.stop()
            observer.join(JOIN_SECONDS)
            self._keeper = self._make_keeper()

    @property
    def _alive(self) -> bool:
        observer = self._observer
        return observer is not None and any(each.is_alive() for each in observer.emitters)


class _Emitter(EventEmitter):
    """Gives a RootKeeper a thread. Queues no event."""

    def __init__(
        self,
        event_queue: EventQueue,
        watch: ObservedWatch,
        *,
        keeper: RootKeeper,
        timeout: float,
        event_filter: list[type[events.FileSystemEvent]] | None = None,
    ) -> None:
        super().__init__(event_queue, watch, timeout=timeout, event_filter=event_filter)
        self._keeper = keeper

    def queue_events(self, timeout: float) -> None:
        self._keeper.turn(timeout)

    def run(self) -> None:
        try:
            super().run()
        finally:
            self._keeper.close()

    def join(self, timeout: float | None = JOIN_SECONDS) -> None:
        # watchdog joins without a limit: a sink that hangs would hang stop() as well.
        super().join(timeout)
