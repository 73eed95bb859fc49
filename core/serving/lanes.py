"""Two ways to the model: a person's query, and the backlog that makes way for it."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from core.embedders import Embedder

Vectors = NDArray[np.float32]

BACKLOG_NICE = 10
"""Added to the niceness of the threads that embed the backlog: docs/serving.md has figures."""
_GIVE_WAY_SECONDS = 1.0
"""A batch waits for queries no longer than this, or a crowd would stop the index for good."""


class Lanes:
    """Where pixels become vectors; any thread may ask.

    On a CPU nothing has to be interrupted: query and backlog have threads of their own, and the
    kernel puts those of the backlog aside, since they are nicer. Threads that an embedder starts
    inherit the niceness of the lane that first needed them.
    """

    def __init__(self, most_streams: int | None = None) -> None:
        """`most_streams`: batches of the backlog at once, by default one a core."""
        # One thread only: torch keeps a team of threads for each one that calls it.
        self._query = ThreadPoolExecutor(1, "query")
        self._backlog = ThreadPoolExecutor(
            most_streams or os.cpu_count() or 1, "backlog", initializer=_be_nice
        )
        self._changed = threading.Condition()
        self._queries = 0

    def submit(self, embedder: Embedder, pixels: NDArray[np.uint8]) -> "Future[Vectors]":
        """Few pictures are a query: an embedder gives every core to those, too."""
        if len(pixels) < max(2, embedder.batch_size // 2):
            return self._query.submit(self._at_once, lambda: embedder.embed(pixels))
        return self._backlog.submit(self._in_turn, lambda: embedder.embed(pixels))

    def _at_once(self, embed: Callable[[], Vectors]) -> Vectors:
        with self._counted():
            return embed()

    def _in_turn(self, embed: Callable[[], Vectors]) -> Vectors:
        with self._changed:
            self._changed.wait_for(lambda: not self._queries, _GIVE_WAY_SECONDS)
        return embed()

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        with self._changed:
            self._queries += 1
        try:
            yield
        finally:
            with self._changed:
                self._queries -= 1
                self._changed.notify_all()


def _be_nice() -> None:
    if sys.platform == "linux":  # elsewhere it would be for the whole process
        with contextlib.suppress(OSError):
            nice = os.getpriority(os.PRIO_PROCESS, 0)
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, min(19, nice + BACKLOG_NICE))
