"""What every way in shares: who may ask, how much at once, the search, and the end of it all."""

import asyncio
import logging
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bot.access import REFUSAL, Asker, may_search
from bot.cooldowns import Cooldowns
from bot.delivery import PAUSES_SECONDS
from bot.metrics import Outcome
from bot.posts import MOST_PICTURES, Posted
from bot.replies import Reply
from bot.search import Finder
from bot.sentences import STOPPING, explain, is_fault, pause
from bot.settings import Settings
from bot.text import escape
from core.config import Config
from core.errors import UsageError
from core.paths import parse_under

logger = logging.getLogger(__name__)


class Desk:
    """Outlives the sessions with Discord."""

    def __init__(
        self,
        config: Config,
        finder: Finder,
        cooldowns: Cooldowns,
        pauses_seconds: Sequence[float] = PAUSES_SECONDS,
    ) -> None:
        """`pauses_seconds`: between the tries to send a reply."""
        self.config = config
        self.finder = finder
        self.cooldowns = cooldowns
        self.pauses_seconds = pauses_seconds
        self.settings = Settings(config.state / "bot" / "servers.json")
        self.owners: Collection[int] = ()
        """Ids of the application's owners, known after the login."""
        self.is_closing = False
        self.metrics = finder.metrics
        self._at_work: set[asyncio.Task[Any]] = set()

    def may(self, asker: Asker) -> bool:
        """See bot.access."""
        return may_search(asker, self.config.bot, self.owners)

    def refusal(self, asker: Asker, channel: int, pictures: int) -> str | None:
        """Why this cannot be asked now; None if it can, and then the pictures are counted."""
        if self.is_closing:
            return STOPPING
        if not self.may(asker):
            return REFUSAL
        wait = self.cooldowns.take(asker.user, channel, pictures)
        return pause(wait, time.time()) if wait > 0 else None

    async def search(
        self,
        files: Sequence[Posted],
        server: int | None,
        number: int | None = None,
        folder: str | None = None,
    ) -> Reply:
        """With the server's settings where nothing else is asked for. Never raises."""
        settings = self.settings.of(server)
        folder = folder or settings.folder
        try:
            under = parse_under(folder) if folder else None
            count = number or settings.number or self.config.bot.results
            return await self.finder.pictures(files[:MOST_PICTURES], count, under)
        except UsageError as error:
            return Reply(escape(str(error)))
        except Exception as error:  # noqa: BLE001 - explain logs it; the asker waits
            return Reply(explain(error, None), failed=is_fault(error))

    def note(self, reply: Reply, started: float, *, arrived: bool) -> None:
        """Count an answer that was asked for at `started`, a time.perf_counter()."""
        outcome: Outcome = "told"
        if not arrived:
            outcome = "undelivered"
        elif reply.page is not None:
            outcome = "answered"
        elif reply.failed:
            outcome = "failed"
        self.metrics.answered(outcome, started)

    @contextmanager
    def work(self) -> Iterator[None]:
        """The current task is about to answer somebody."""
        task = asyncio.current_task()
        assert task is not None
        self._at_work.add(task)
        try:
            yield
        finally:
            self._at_work.discard(task)

    async def drain(self, seconds: float) -> None:
        """Accept nothing more; give what was begun so long to be answered."""
        self.is_closing = True
        if self._at_work:
            await asyncio.wait(self._at_work, timeout=seconds)
