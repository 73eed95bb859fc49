"""How far the work is: a bar where a person watches, else a line in the log now and then."""

import logging
import time

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from core.durations import how_far, rate, time_left
from core.state import Progress as Known

logger = logging.getLogger(__name__)

LOG_SECONDS = 10


class ProgressBar:
    """A Listener; draws nothing until there is something to count, and nothing off a terminal."""

    def __init__(self, what: str = "Indexing") -> None:
        self._what = what
        console = Console(stderr=True)
        self.visible = console.is_terminal
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not self.visible,
        )
        self._task: TaskID | None = None

    def __call__(self, progress: Known) -> None:
        """Draw the state of the work."""
        if self._task is None:
            self._task = self._bar.add_task(self._what, total=progress.total, speed="")
            self._bar.start()
        left = progress.seconds_left
        self._bar.update(
            self._task,
            completed=progress.done,
            total=progress.total,
            speed="" if left is None else f"{rate(progress.per_second)}, {time_left(left)}",
        )
        if progress.done >= progress.total:
            self.close()

    def close(self) -> None:
        """Take the bar away; idempotent."""
        if self._task is not None:
            self._bar.stop()
            self._bar.remove_task(self._task)
            self._task = None

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class LogProgress:
    """A Listener where nobody watches a bar."""

    def __init__(self) -> None:
        self._next = time.monotonic() + LOG_SECONDS

    def __call__(self, progress: Known) -> None:
        """A line, if the last one is old enough."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + LOG_SECONDS
            logger.info("Indexing: %s", how_far(progress))
