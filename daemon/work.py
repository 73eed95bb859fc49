"""How far a piece of work is, and how long it will take."""

from collections import deque

from core.state import Progress

SHORTEST_WINDOW_SECONDS = 60.0
WINDOW_SHARE = 0.25
"""Of the time since the start: in a long work a steady figure is worth more than a quick one."""
LONGEST_WINDOW_SECONDS = 600.0
SAMPLE_SECONDS = 0.5
STALL_SECONDS = 5.0
"""Rows are written in batches: so long a silence is none."""
ENOUGH_SECONDS = 6.0
"""Less says nothing of how fast it will go on."""


class Work:
    """Counts files; told by one thread, asked by several."""

    def __init__(self) -> None:
        self._total = 0
        self.done = 0
        self._expected: dict[str, int] = {}
        self._samples: deque[tuple[float, int]] = deque()
        self._started: float | None = None

    @property
    def total(self) -> int:
        """Files of the whole work, as far as it is known."""
        return self._total + sum(list(self._expected.values()))

    def expect(self, root: str, files: int) -> None:
        """About so many will be planned for the root."""
        self._expected[root] = files

    def planned(self, root: str, files: int) -> None:
        """So many there are."""
        self._expected.pop(root, None)
        self._total += files

    def finished(self, files: int, now: float) -> None:
        """So many more are done."""
        self.done += files
        if self._started is None:
            self._started = now
        samples = self._samples
        if not samples or now - samples[-1][0] >= SAMPLE_SECONDS:
            samples.append((now, self.done))
        else:
            samples[-1] = (samples[-1][0], self.done)
        window = WINDOW_SHARE * (now - self._started)
        window = min(LONGEST_WINDOW_SECONDS, max(SHORTEST_WINDOW_SECONDS, window))
        while len(samples) > 2 and now - samples[1][0] > window:
            samples.popleft()

    def progress(self, now: float) -> Progress | None:
        """None while there is nothing worth a bar."""
        total = self.total
        if not total:
            return None
        rate = self._rate(now)
        left = (total - self.done) / rate if rate else None
        return Progress(self.done, total, round(rate, 1), left and round(left, 1))

    def _rate(self, now: float) -> float:
        """Files a second, from the first batch on: what came before was the start of everything."""
        samples = list(self._samples)
        if not samples:
            return 0.0
        (since, before), (last, done) = samples[0], samples[-1]
        seconds = max(last, now - STALL_SECONDS) - since
        return (done - before) / seconds if seconds >= ENOUGH_SECONDS else 0.0
