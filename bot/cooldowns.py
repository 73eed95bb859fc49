"""How many pictures a person or a channel may have searched in a minute."""

from collections import deque
from collections.abc import Callable, Hashable

WINDOW_SECONDS = 60.0
MOST_PER_USER = 20
MOST_PER_CHANNEL = 120


class Cooldowns:
    """Counts pictures over the last minute; forgets whoever was quiet as long."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._taken: dict[Hashable, deque[tuple[float, int]]] = {}
        self._told: dict[int, float] = {}

    def take(self, user: int, channel: int, pictures: int) -> float:
        """Count them and return 0, or leave all as it is and return the seconds to wait.

        However many one message holds: it passes if nothing was counted before it.
        """
        now = self._clock()
        self._forget(now)
        keys = ((("user", user), MOST_PER_USER), (("channel", channel), MOST_PER_CHANNEL))
        wait = max(self._wait(key, limit, pictures, now) for key, limit in keys)
        if wait <= 0:
            for key, _ in keys:
                self._taken.setdefault(key, deque()).append((now, pictures))
        return wait

    def first_refusal(self, user: int) -> bool:
        """Whether this person is to be told: once a minute, or the refusals become the noise."""
        now = self._clock()
        self._told = {who: at for who, at in self._told.items() if now - at < WINDOW_SECONDS}
        return self._told.setdefault(user, now) == now

    def _wait(self, key: Hashable, limit: int, pictures: int, now: float) -> float:
        taken = self._taken.get(key, ())
        over = sum(count for _, count in taken) + pictures - limit
        until = now
        for at, count in taken:
            if over <= 0:
                break
            over -= count
            until = at + WINDOW_SECONDS
        return until - now

    def _forget(self, now: float) -> None:
        for key, taken in list(self._taken.items()):
            while taken and now - taken[0][0] >= WINDOW_SECONDS:
                taken.popleft()
            if not taken:
                del self._taken[key]
