"""The daemon's series: what its work takes, and how things stand when Prometheus asks."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import get_args

from core.errors import StoreError
from core.metrics import Metric, Registry, count, gauge, gauges
from core.state import State
from core.steps import Step
from daemon.board import Board


class Metrics:
    """Made once a process; counts on even while everything else fails."""

    def __init__(self) -> None:
        self.registry = Registry()
        seconds = {
            "decode": "Decoding one picture, in its own process.",
            "embed": "One batch through the model.",
            "write": "One write of rows to the store.",
            "delete": "One deletion of rows from the store.",
        }
        histogram, counter = self.registry.histogram, self.registry.counter
        self._seconds = {
            "decode": histogram("decode_seconds", seconds["decode"]),
            "embed": histogram("embed_seconds", seconds["embed"]),
            "write": histogram("store_write_seconds", seconds["write"]),
            "delete": histogram("store_delete_seconds", seconds["delete"]),
        }
        rows = counter("store_rows", "Rows written to or deleted from the store.", ["operation"])
        self._done = {
            "decode": counter("decoded", "Pictures decoded."),
            "write": rows.labels("write"),
            "delete": rows.labels("delete"),
        }
        errors = counter("store_errors", "Writes and deletions that failed.", ["operation"])
        self._errors = {"write": errors.labels("write"), "delete": errors.labels("delete")}
        self.files = counter("files", "Files dealt with: indexed, rejected, or left for later.")
        self.failures = counter("work_failures", "Times that the work broke off with an error.")

    @contextmanager
    def around(self, step: Step, size: int) -> Iterator[None]:
        """See core.steps.Around."""
        started = time.perf_counter()
        try:
            yield
        except StoreError:
            if step in self._errors:
                self._errors[step].inc()
            raise
        self._seconds[step].observe(time.perf_counter() - started)
        if step in self._done:
            self._done[step].inc(size)

    def watch(
        self,
        board: Board,
        lag_seconds: Callable[[], float],
        silence_seconds: Callable[[], float],
    ) -> None:
        """Also tell what the board says; `lag_seconds`: age of the oldest hint not dealt with,
        `silence_seconds`: since the main loop last turned."""
        self.registry.read(lambda: _standing(board, lag_seconds(), silence_seconds()))


def _standing(board: Board, lag_seconds: float, silence_seconds: float) -> Iterable[Metric]:
    status = board.status()
    yield gauge("queue_lag_seconds", "Age of the oldest change not dealt with.", lag_seconds)
    yield gauge("loop_silence_seconds", "Since the main loop last turned.", silence_seconds)
    yield gauge("pending", "Changes and files that wait.", status.pending)
    yield gauge("rejected", "Files that are no picture for us.", status.rejected)
    yield gauge("skipped", "Files that are no pictures by their names.", status.skipped)
    yield gauge("held_deletions", "Deletions that wait for approval.", status.held_deletions)
    yield gauge("problems", "Sentences under `problems` in the status.", len(status.problems))
    yield count(
        "embedded", "Pictures put through the model since the index began.", status.embedded_total
    )
    states = [(state, float(state == status.state)) for state in get_args(State)]
    yield gauges("state", "1 for the state of the daemon.", "state", states)
    roots = status.roots.items()
    yield gauges("rows", "Rows in the index.", "root", [(n, float(r.indexed)) for n, r in roots])
    yield gauges(
        "root_suspended",
        "1 where a root is left alone.",
        "root",
        [(name, float(root.state == "suspended")) for name, root in roots],
    )
    progress = status.progress
    done, total = (progress.done, progress.total) if progress else (0, 0)
    yield gauge("work_files", "Files of the work under way, 0 where there is none.", total)
    yield gauge("work_files_done", "How many of them are done.", done)
    if board.last_scan_seconds is not None:
        yield gauge(
            "last_scan_timestamp_seconds", "When a full scan last ended.", board.last_scan_seconds
        )
        yield gauge("last_scan_duration_seconds", "How long it took.", board.scan_duration_seconds)
        yield gauge(
            "last_scan_drift", "Changes it met that no event had told of.", board.drift or 0
        )
