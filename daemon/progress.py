"""A progress bar where a person watches, on stderr."""

from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from core.state import Progress as Known


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
        left = f", {progress.seconds_left:.0f} s left" if progress.seconds_left else ""
        self._bar.update(
            self._task,
            completed=progress.done,
            total=progress.total,
            speed=f"{progress.per_second:.0f}/s{left}",
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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
