"""What Prometheus reads at /metrics."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from core.errors import AppError
from core.metrics import Registry, SearchParts, gauge
from web.errors import status_of

_BUCKETS = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Counts searches by the HTTP status of their outcome, and times those that are answered."""

    def __init__(self) -> None:
        registry = self._registry = Registry()
        self._searches = registry.counter(
            "searches", "Searches asked for, by HTTP status of the answer.", ["status"]
        )
        self._seconds = registry.histogram(
            "search_seconds",
            "From a request's headers to its answer, of searches that were answered.",
            buckets=_BUCKETS,
        )
        self.parts = SearchParts(registry)
        self._in_flight = 0
        registry.read(
            lambda: [
                gauge("searches_in_flight", "Searches not answered yet.", self._in_flight),
            ]
        )

    @contextmanager
    def search(self) -> Iterator[None]:
        """Around one search."""
        started = time.perf_counter()
        status = 500
        self._in_flight += 1
        try:
            yield
            status = 200
            self._seconds.observe(time.perf_counter() - started)
        except AppError as error:
            status = status_of(error)
            raise
        finally:
            self._in_flight -= 1
            self._searches.labels(str(status)).inc()

    def text(self) -> bytes:
        """The exposition."""
        return self._registry.text()
