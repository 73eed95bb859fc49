"""What Prometheus reads: counters, histograms, and what is looked up when it asks."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from core.index import Timings

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

__all__ = ["CONTENT_TYPE", "Metric", "Registry", "SearchParts", "count", "gauge", "gauges"]


class _Reading(Collector):
    """Gauges and counters as they are at the moment of being asked."""

    def __init__(self, look: Callable[[], Iterable[Metric]]) -> None:
        self._look = look

    def collect(self) -> Iterable[Metric]:
        """See Collector."""
        return self._look()

    def describe(self) -> Iterable[Metric]:
        """See Collector: nothing is looked up in order to be registered."""
        return ()


class Registry:
    """The series of one process; their names begin with `lookalike_`."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)  # memory, processor time, open files

    def counter(self, name: str, text: str, labels: Sequence[str] = ()) -> Counter:
        """`name` without `lookalike_` and `_total`."""
        return Counter(f"lookalike_{name}", text, labels, registry=self._registry)

    def histogram(
        self,
        name: str,
        text: str,
        labels: Sequence[str] = (),
        buckets: Sequence[float] = BUCKETS_SECONDS,
    ) -> Histogram:
        """`name` without `lookalike_`."""
        return Histogram(
            f"lookalike_{name}", text, labels, buckets=buckets, registry=self._registry
        )

    def read(self, look: Callable[[], Iterable[Metric]]) -> None:
        """Ask `look` whenever the series are asked for."""
        self._registry.register(_Reading(look))

    def text(self) -> bytes:
        """The exposition."""
        return generate_latest(self._registry)


def gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    """One number that goes up and down."""
    return GaugeMetricFamily(f"lookalike_{name}", text, value=value)


def gauges(
    name: str, text: str, label: str, values: Iterable[tuple[str, float]]
) -> GaugeMetricFamily:
    """One number for each value of a label."""
    family = GaugeMetricFamily(f"lookalike_{name}", text, labels=[label])
    for name_of, value in values:
        family.add_metric([name_of], value)
    return family


def count(name: str, text: str, value: float) -> CounterMetricFamily:
    """A number that is counted elsewhere and only grows."""
    return CounterMetricFamily(f"lookalike_{name}", text, value=value)


class SearchParts:
    """Where the time of answers goes."""

    def __init__(self, registry: Registry) -> None:
        self._seconds = registry.histogram(
            "search_part_seconds",
            "What decoding, embedding and looking up took, of searches that needed it.",
            ["part"],
        )
        for part in ("decode", "embed", "search"):
            self._seconds.labels(part)  # there from the beginning, as zeros

    def observe(self, timings_ms: Timings) -> None:
        """Of one answer. A picture whose bytes are indexed is neither decoded nor embedded."""
        for part, milliseconds in asdict(timings_ms).items():
            if milliseconds > 0:
                self._seconds.labels(part).observe(milliseconds / 1000)
