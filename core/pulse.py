"""Whether a loop still turns: it beats, and others see how long ago."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Pulse:
    """Beaten by one thread, felt by others."""

    def __init__(
        self, patience_seconds: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`patience_seconds`: a loop that is silent for longer does not turn any more."""
        self._patience_seconds = patience_seconds
        self._clock = clock
        self._beaten = clock()
        self._allowed_seconds = patience_seconds

    def beat(self) -> None:
        """The loop turns."""
        self._beaten = self._clock()

    @contextmanager
    def allowing(self, seconds: float) -> Iterator[None]:
        """A step of the loop that may take so long: a model is fetched, an index is compacted."""
        self.beat()
        before, self._allowed_seconds = self._allowed_seconds, seconds
        try:
            yield
        finally:
            self.beat()
            self._allowed_seconds = before

    @property
    def age_seconds(self) -> float:
        """Since the last beat."""
        return self._clock() - self._beaten

    @property
    def problem(self) -> str | None:
        """A sentence where the loop does not turn."""
        age = self.age_seconds
        if age <= self._allowed_seconds:
            return None
        return f"The main loop has not turned for {age:.0f} s; restart this part."
