"""How things stand, read at most once a second however many pages ask."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from core.config import Config
from core.redaction import redact, store_kind
from core.standing import current_status
from core.state import Rejection, Status, read_rejections

_FRESH_SECONDS = 1.0


class Standing:
    """The daemon's status as strangers may read it."""

    def __init__(self, config: Config, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._clock = clock
        self._lock = asyncio.Lock()
        self._status: Status | None = None
        self._read = 0.0

    async def now(self) -> Status:
        """Without absolute paths and the store's address."""
        async with self._lock:  # whoever comes meanwhile takes what the first one reads
            if self._status is None or self._clock() - self._read > _FRESH_SECONDS:
                self._status = await asyncio.to_thread(self._look)
                self._read = self._clock()
            return self._status

    def _look(self) -> Status:
        status = current_status(self._config)
        roots = {
            name: replace(root, reason=root.reason and redact(root.reason, self._config))
            for name, root in status.roots.items()
        }
        problems = [redact(problem, self._config) for problem in status.problems]
        return replace(status, roots=roots, problems=problems, store=store_kind(self._config))

    async def rejected(self) -> list[dict[str, str]]:
        """{"root", "path", "reason"} of every file below the roots that is no picture for us."""
        found = await asyncio.to_thread(read_rejections, self._config.state / "daemon")
        return [
            {"root": place.root, "path": place.path, "reason": self._reason(rejection)}
            for place, rejection in sorted(found.items())
            if place.root in self._config.roots
        ]

    def _reason(self, rejection: Rejection) -> str:
        return redact(rejection.reason, self._config)
