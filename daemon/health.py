"""Whether the daemon is alive, and whether it can do its work, for whoever asks from outside."""

import threading
from collections.abc import Callable

from core.bootstrap import open_database
from core.config import Config
from core.errors import AppError
from core.health import Vitals
from core.pulse import Pulse
from core.redaction import redact
from daemon.board import Board
from daemon.metrics import Metrics

_STORE_SECONDS = 10
"""So long whoever asks waits for the store."""
_BROKEN = ("store", "work")
"""Problems of the board with which nothing is indexed."""


def daemon_vitals(
    config: Config, board: Board, metrics: Metrics, pulse: Pulse, started: Callable[[], bool]
) -> Vitals:
    """What core.health tells of the daemon."""
    store = _Store(config)

    def ready() -> str | None:
        problem = next((board.problems[key] for key in _BROKEN if key in board.problems), None)
        if problem is None and not started():
            problem = "The daemon is starting: it does not watch its folders yet."
        if problem is None:
            problem = next(iter(board.reasons.values()), None)
        problem = problem or store.problem()
        return problem and redact(problem, config)

    return Vitals(lambda: pulse.problem, ready, metrics.registry)


class _Store:
    """Asked over a connection of its own: the daemon's may hang, and must not be disturbed."""

    def __init__(self, config: Config) -> None:
        self._database = open_database(config, writable=False)
        self._lock = threading.Lock()

    def problem(self) -> str | None:
        if not self._lock.acquire(timeout=_STORE_SECONDS):
            return f"The store has not answered for {_STORE_SECONDS} s."
        try:
            self._database.catalogue()
        except AppError as error:
            return str(error)
        finally:
            self._lock.release()
        return None
