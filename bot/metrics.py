"""The bot's series: what was answered, how fast, and whether Discord hears us."""

import math
import time
from collections.abc import Callable, Iterable
from typing import Literal

from core.metrics import Metric, Registry, SearchParts, gauge

Outcome = Literal["answered", "told", "failed", "undelivered"]
"""With matches; with a sentence for the asker; with an apology for us; not at all."""

_OUTCOMES: tuple[Outcome, ...] = ("answered", "told", "failed", "undelivered")
_BUCKETS = (0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 30, 60)


class Metrics:
    """Made once a process; outlives the sessions with Discord."""

    def __init__(self) -> None:
        registry = self.registry = Registry()
        self._answers = registry.counter(
            "bot_answers", "Answers to people, by what became of them.", ["outcome"]
        )
        for outcome in _OUTCOMES:
            self._answers.labels(outcome)
        self._seconds = registry.histogram(
            "bot_answer_seconds", "From being asked to an answer with matches.", buckets=_BUCKETS
        )
        self.parts = SearchParts(registry)
        self.sessions = registry.counter("bot_sessions", "Sessions with Discord that were begun.")
        self.session_up = False
        """Whether Discord's gateway is listened to."""
        self.latency: Callable[[], float] = lambda: math.nan
        """Of the session under way, in seconds."""
        registry.read(self._standing)

    def answered(self, outcome: Outcome, started: float) -> None:
        """One answer that was asked for at `started`, a time.perf_counter()."""
        self._answers.labels(outcome).inc()
        if outcome == "answered":
            self._seconds.observe(time.perf_counter() - started)

    def _standing(self) -> Iterable[Metric]:
        yield gauge(
            "bot_session_up", "1 while a session with Discord is ready.", float(self.session_up)
        )
        latency_seconds = self.latency()
        if math.isfinite(latency_seconds):
            yield gauge(
                "bot_heartbeat_latency_seconds",
                "Between the last heartbeat and Discord's answer.",
                latency_seconds,
            )
