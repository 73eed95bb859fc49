"""Sees within a second that a root has gone, whatever the daemon's loop is busy with.

The loop looks at the roots, too, and it alone takes a suspension back; but a step of it may take
minutes: a compaction, a batch on a slow machine, an answer of a store far away.
"""

import threading
from collections.abc import Callable, Iterable
from contextlib import closing, suppress

from daemon.mounts import MountTable

GLANCE_SECONDS = 0.3
AGAIN_SECONDS = 0.1
"""A problem must show twice: one failing call in a hundred is no lost disk."""
JOIN_SECONDS = 1.0


class Sentry:
    """Glances at every root from a thread of its own: a dead file server holds up no other."""

    def __init__(
        self,
        roots: Iterable[str],
        glance: Callable[[str], str | None],
        tell: Callable[[str, str], None],
    ) -> None:
        """`glance(root)` says what is wrong with it, `tell(root, problem)` hears of it as long as
        it lasts. Both are called from threads."""
        self._glance = glance
        self._tell = tell
        self._stopping = threading.Event()
        self._threads: dict[str, threading.Thread | None] = dict.fromkeys(roots)

    def ensure(self) -> None:
        """Start a thread for every root that has none, or none any more."""
        for root, old in self._threads.items():
            if not (old and old.is_alive()):
                name = f"sentry {root}"
                thread = threading.Thread(target=self._run, args=[root], name=name, daemon=True)
                self._threads[root] = thread
                thread.start()

    def ask_to_stop(self) -> None:
        """Soon; does not wait."""
        self._stopping.set()

    def stop(self) -> None:
        """Idempotent; a thread that hangs in a dead disk is left behind."""
        self.ask_to_stop()
        for thread in self._threads.values():
            if thread:
                thread.join(JOIN_SECONDS)

    def _run(self, root: str) -> None:
        with suppress(OSError), closing(MountTable()) as table:
            self._watch(root, table.wait)
        self._watch(root, self._stopping.wait)  # no /proc

    def _watch(self, root: str, wait: Callable[[float], object]) -> None:
        while not self._stopping.is_set():
            if self._glance(root) and not self._stopping.wait(AGAIN_SECONDS):
                problem = self._glance(root)
                if problem and not self._stopping.is_set():
                    self._tell(root, problem)
            wait(GLANCE_SECONDS)
