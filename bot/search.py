"""From what somebody posted or clicked to a reply."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bot.answers import Answers, Found
from bot.download import Downloads
from bot.endpoints import Endpoints
from bot.metrics import Metrics
from bot.pages import Like, More
from bot.posts import Posted
from bot.replies import Page, Reply, Shown
from bot.sentences import NO_PICTURE, TOO_OLD, explain, freshness, is_fault, nothing_there
from bot.text import escape
from core.aio import AsyncIndex
from core.bootstrap import is_preview
from core.config import Config
from core.errors import AppError, BusyError, ImageError, NotIndexed
from core.index import MOST_MATCHES, Answer
from core.records import ImageId, Match, Place
from core.state import Status, read_status

_MOST_WAITING = 256
_AT_ONCE = 4
"""Pictures in memory: being downloaded, or waiting for the model with their bytes."""
_MOST_KEPT = 50
"""Matches of an answer that its More can page through."""


class Finder:
    """Everything that is slow, so none of it on the loop. Create it in a running loop."""

    def __init__(self, config: Config, index: AsyncIndex, endpoints: Endpoints) -> None:
        self._config = config
        self._index = index
        self.metrics = Metrics()
        self._daemon_state: Path = config.state / "daemon"
        self._downloads = Downloads(endpoints, config.images.max_megabytes)
        self._answers = Answers(config.state / "bot" / "answers")
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    async def pictures(self, files: Sequence[Posted], count: int, under: Place | None) -> Reply:
        """The matches of all pictures posted in one message: those of the first that has some,
        and a choice of the others. Never raises what a person can be told."""
        if not files:
            return Reply(NO_PICTURE)
        try:
            answers = await self._search(files, under)
            found = [
                Found(file.name, str(answer))
                if isinstance(answer, ImageError)
                else Found(
                    file.name,
                    None,
                    answer.model,
                    answer.timings_ms,
                    tuple((match.id, match.distance) for match in answer.matches),
                )
                for file, answer in zip(files, answers, strict=True)
            ]
            first = next((n for n, one in enumerate(found) if one.matches), None)
            if first is None:
                return Reply(await self._nothing(found, under))
            key = await asyncio.to_thread(self._answers.keep, found)
            answer = answers[first]
            assert isinstance(answer, Answer)
            shown = await self._with_thumbnails(answer.matches[:count])
            return await self._page(found, first, shown, key, 0, count)
        except AppError as error:
            return Reply(explain(error, await self._status()), failed=is_fault(error))

    async def order(self, order: More | Like) -> Reply:
        """What a button or a choice asks for."""
        try:
            if isinstance(order, Like):
                return await self._like(order)
            return await self._more(order)
        except AppError as error:
            return Reply(explain(error, await self._status()), failed=is_fault(error))

    async def close(self) -> None:
        """Idempotent."""
        await self._downloads.close()

    async def _search(
        self, files: Sequence[Posted], under: Place | None
    ) -> list[Answer | ImageError]:
        if self._waiting + len(files) > _MOST_WAITING:
            raise BusyError("Too many pictures are waiting. Please try again in a few seconds.")
        self._waiting += len(files)
        try:
            answers = await asyncio.gather(
                *(self._one(file, under) for file in files), return_exceptions=True
            )
        finally:
            self._waiting -= len(files)
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, ImageError):
                raise answer
        return [answer for answer in answers if isinstance(answer, Answer | ImageError)]

    async def _one(self, file: Posted, under: Place | None) -> Answer:
        self._downloads.check(file)
        async with self._turn:
            data = await self._downloads.read(file)
            answer = await self._index.search(data, _MOST_KEPT, under)
        self.metrics.parts.observe(answer.timings_ms)
        return answer

    async def _nothing(self, found: list[Found], under: Place | None) -> str:
        problems = [
            f"**{escape(one.name)}** {escape(one.problem)}." for one in found if one.problem
        ]
        if len(problems) < len(found):
            folder = escape(str(under)) if under else None
            problems.append(nothing_there(await self._status(), folder))
        return "\n".join(problems)

    async def _like(self, order: Like) -> Reply:
        end = order.offset + order.count
        record = await self._index.find(order.id)
        # One for the picture itself, which comes first; one to see whether there are more.
        answer = await self._index.similar(order.id, min(end + 2, MOST_MATCHES))
        self.metrics.parts.observe(answer.timings_ms)
        matches = [match for match in answer.matches if match.digest != record.digest]
        shown = await self._with_thumbnails(matches[order.offset : end])
        more = Like(order.id, end, order.count) if len(matches) > end else None
        name = record.place.path.rpartition("/")[2]
        page = Page(name, answer.model, answer.timings_ms, shown, order.count, order.offset, more)
        return Reply(page=await self._with_facts(page))

    async def _more(self, order: More) -> Reply:
        found = await asyncio.to_thread(self._answers.recall, order.key)
        if found is None or order.picture >= len(found):
            return Reply(TOO_OLD)
        matches = []
        for image_id, distance in found[order.picture].matches[order.offset :][: order.count]:
            try:
                record = await self._index.find(ImageId(image_id))
            except NotIndexed:
                continue  # deleted meanwhile
            matches.append(Match(record.id, record.place, record.digest, distance))
        shown = await self._with_thumbnails(matches)
        return await self._page(found, order.picture, shown, order.key, order.offset, order.count)

    async def _page(
        self,
        found: list[Found],
        picture: int,
        shown: tuple[Shown, ...],
        key: str | None,
        offset: int,
        count: int,
    ) -> Reply:
        this = found[picture]
        end = offset + count
        more = More(key, picture, end, count) if key and len(this.matches) > end else None
        page = Page(
            this.name,
            this.model,
            this.timings_ms,
            shown,
            count,
            offset,
            more,
            key=key,
            posted=tuple(found),
            picture=picture,
        )
        return Reply(page=await self._with_facts(page))

    async def _with_thumbnails(self, matches: Sequence[Match]) -> tuple[Shown, ...]:
        thumbnails = await self._index.thumbnails([match.digest for match in matches])
        return tuple(
            Shown(
                match.id,
                match.place,
                match.distance,
                len(match.copies),
                thumbnails.get(match.digest),
            )
            for match in matches
        )

    async def _with_facts(self, page: Page) -> Page:
        """The line of freshness: the daemon's own words, else what the index says."""
        status = await self._status()
        alive = status is not None and status.state != "stopped"
        return replace(
            page,
            indexed=status.indexed if status and alive else await self._index.count(),
            freshness=freshness(status),
            preview_of=self._config.model.name if is_preview(self._config, page.model) else None,
        )

    async def _status(self) -> Status | None:
        return await asyncio.to_thread(read_status, self._daemon_state)
