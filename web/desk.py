"""Where every search of API and page is asked, counted and answered."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping

from starlette.requests import Request

from core.aio import AsyncIndex
from core.config import Config
from core.errors import UsageError
from core.index import Answer
from core.originals import read_original
from core.records import ImageId
from web.limits import RateLimit
from web.metrics import Metrics
from web.standing import Standing
from web.terms import Terms, parse_terms
from web.thumbnails import Thumbnails
from web.uploads import Uploads

_CLOSE_SECONDS = 3


class Desk:
    """What the routes share; made once, inside the running event loop."""

    def __init__(self, config: Config, index: AsyncIndex) -> None:
        self.config = config
        self.index = index
        self.thumbnails = Thumbnails(index)
        self.standing = Standing(config)
        self.metrics = Metrics()
        self.is_closed = False
        """Whether every thread has come to its end."""
        self.uploads = Uploads(int(config.images.max_megabytes * 1e6))
        self._limit = RateLimit(
            config.web.searches_per_minute,
            "That is more than web.searches_per_minute allows. Please try again in {seconds} s.",
        )

    async def search(
        self, request: Request, read_terms: Callable[[Mapping[str, str]], Terms] = parse_terms
    ) -> tuple[Answer, Terms]:
        """By the picture of a form, whose other fields `read_terms` understands."""
        with self.metrics.search():
            self._count(request)
            async with self.uploads.read(request) as form:
                terms = read_terms(form.fields)
                if not form.image:
                    raise UsageError("Send a picture in the field 'image'.")
                answer = await self.index.search(
                    form.image, terms.k, terms.place, terms.max_distance, terms.part
                )
            self.metrics.parts.observe(answer.timings_ms)
            return answer, terms

    async def similar(self, request: Request, image_id: ImageId, terms: Terms) -> Answer:
        """To an indexed picture, or to a part of it."""
        with self.metrics.search():
            self._count(request)
            asked = terms.k, terms.place, terms.max_distance
            if terms.part is None:
                answer = await self.index.similar(image_id, *asked)
            else:
                record = await self.index.find(image_id)
                data = await asyncio.to_thread(read_original, self.config, record)
                answer = await self.index.search(data, *asked, terms.part)
            self.metrics.parts.observe(answer.timings_ms)
            return answer

    def _count(self, request: Request) -> None:
        client = request.client.host if request.client else "?"
        self._limit.check(client)
        self._limit.count(client)


@contextlib.asynccontextmanager
async def open_desk(config: Config) -> AsyncIterator[Desk]:
    """A desk with its index, for as long as the context lasts."""
    # On the loop the imports of a store's client would keep it still, on a busy machine for long.
    index = await asyncio.to_thread(AsyncIndex, config)
    desk = Desk(config, index)
    warming = asyncio.create_task(index.keep_warm())
    try:
        yield desk
    finally:
        warming.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await warming
        desk.is_closed = await index.close_within(_CLOSE_SECONDS)
