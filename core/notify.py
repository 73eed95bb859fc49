"""What the service manager is told (sd_notify): ready, status, alive, stopping.

Where no service manager listens, nothing is told, and nothing else is different.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from core.pulse import Pulse
from core.service_manager import Manager
from core.stages import Stages

logger = logging.getLogger(__name__)

TURN_SECONDS = 5.0
EXTENSION_SECONDS = 30
"""By so much a start may go on after each sign of life."""
BEAT_SECONDS = 1.0


class Notifier:
    """Tells the manager from a thread of its own how the part is.

    The thread proves nothing by itself: it says that the part is alive only while every stage is.
    """

    def __init__(self, stages: Stages, manager: Manager | None = None) -> None:
        self._stages = stages
        self._status: Callable[[], str] = lambda: "starting"
        self._manager = manager or Manager()
        watchdog = self._manager.watchdog_seconds
        self._turn_seconds = min(TURN_SECONDS, watchdog / 4) if watchdog else TURN_SECONDS
        self._ready = False
        self._told: str | None = None
        self._alarm: str | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notify", daemon=True)

    def ready(self) -> None:
        """The part does its work from now on."""
        self._ready = True
        self._manager.tell("READY=1", *self._news())

    def stopping(self) -> None:
        """The part was asked to stop. A signal handler may call it."""
        self._manager.tell("STOPPING=1", "STATUS=stopping")

    @contextmanager
    def telling(self, status: Callable[[], str]) -> Iterator[None]:
        """As long as the block lasts; once. `status` is one line for people, asked every few
        seconds."""
        self._status = status
        self._turn()
        self._thread.start()
        try:
            yield
        finally:
            self._closed.set()
            self._thread.join(1)
            self._manager.close()

    def _run(self) -> None:
        while not self._closed.wait(self._turn_seconds):
            self._turn()

    def _turn(self) -> None:
        problem = self._stages.problem
        alive: list[str] = []
        if problem is None:
            longer = f"EXTEND_TIMEOUT_USEC={EXTENSION_SECONDS * 1_000_000}"
            alive = ["WATCHDOG=1" if self._ready else longer]
        elif (silent := problem.partition("(")[0]) != self._alarm:
            self._alarm = silent
            logger.error("%s A service manager with a watchdog restarts this part.", problem)
        self._manager.tell(*alive, *self._news(problem))

    def _news(self, problem: str | None = None) -> list[str]:
        """The status, unless it was told already."""
        try:
            status = problem or self._status()
        except Exception:  # a mistake in a sentence is no reason to be restarted
            logger.exception("The status could not be told")
            return []
        if status == self._told:
            return []
        self._told = status
        return [f"STATUS={status}"]


async def keep_beating(pulse: Pulse, probe: Callable[[], None]) -> None:
    """The pulse of an event loop, for as long as the task lives; `probe` asks the threads behind
    the loop for theirs."""
    while True:
        pulse.beat()
        probe()
        await asyncio.sleep(BEAT_SECONDS)
