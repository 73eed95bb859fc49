"""Shows that events still arrive: a file of our own that every root's watcher watches, too."""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

SING_SECONDS = 15
PATIENCE_SECONDS = 10
LONGEST_PAUSE_SECONDS = 3600


class Canary:
    """Touches its file now and then, and tells which watchers have not noticed."""

    def __init__(self, folder: Path, *, steady_clock: Callable[[], float] = time.monotonic) -> None:
        """`folder` is below the daemon's state, never below a root."""
        self._file = folder / "canary"
        self._steady_clock = steady_clock
        self._sung = float("-inf")
        self._deaf: dict[str, tuple[float, float]] = {}
        """Root -> until when it is not called silent again, and for how long the next time: a
        reader that hangs in a dead disk must not cost us a thread every half minute."""

    def sing(self) -> None:
        """Touch the file, if it is time to. OSError if that cannot be done."""
        now = self._steady_clock()
        if now - self._sung < SING_SECONDS:
            return
        try:
            os.utime(self._file)
        except FileNotFoundError:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.touch()
        self._sung = now

    def silent(self, heard: Mapping[str, float]) -> list[str]:
        """The roots that should have heard the last song and did not. `heard` says when each root
        last did, or began to listen."""
        now = self._steady_clock()
        silent = []
        for root, at in heard.items():
            not_before, pause = self._deaf.get(root, (0.0, SING_SECONDS))
            if at >= self._sung:
                if now >= not_before:
                    self._deaf.pop(root, None)
            elif now - self._sung >= PATIENCE_SECONDS and now >= not_before:
                self._deaf[root] = (now + pause, min(LONGEST_PAUSE_SECONDS, 2 * pause))
                silent.append(root)
        return silent
