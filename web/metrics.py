"""What Prometheus reads at /metrics."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from core.errors import AppError
from web.errors import status_of

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Counts searches by the HTTP status of their outcome, and times those that are answered."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._searches = Counter(
            "lookalike_searches",
            "Searches asked for, by HTTP status of the answer.",
            ["status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "lookalike_search_seconds",
            "From a request's headers to its answer, of searches that were answered.",
            buckets=_BUCKETS,
            registry=self._registry,
        )

    @contextmanager
    def search(self) -> Iterator[None]:
        """Around one search."""
        started = time.perf_counter()
        status = 500
        try:
            yield
            status = 200
            self._seconds.observe(time.perf_counter() - started)
        except AppError as error:
            status = status_of(error)
            raise
        finally:
            self._searches.labels(str(status)).inc()

    def text(self) -> bytes:
        """The exposition."""
        return generate_latest(self._registry)
