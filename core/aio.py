"""The same search for asyncio callers: embedding on one thread, reading on another."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self, TypeVar

from core.bootstrap import NothingIndexed
from core.box import Box
from core.config import Config
from core.errors import AppError, BusyError
from core.index import Answer
from core.pulse import Pulse
from core.records import ImageId, ImageRecord, Place
from core.searcher import Searcher

_T = TypeVar("_T")

logger = logging.getLogger(__name__)

_WARM_SECONDS = 5
_LAST_SECONDS = 1
_LONGEST_SECONDS = 3600
"""A model may be fetched on the thread of a lane; what takes longer has hung."""


class _Lane:
    """One thread and a queue before it that is never long."""

    def __init__(self, name: str, most_waiting: int, seconds: float) -> None:
        self._thread = ThreadPoolExecutor(1, name)
        self._most = most_waiting + 1  # the one that is being served
        self._seconds = seconds
        self._inside = 0
        self.pulse = Pulse(_LONGEST_SECONDS)
        """Of the thread."""
        self._probed: Future[None] | None = None

    def probe(self) -> None:
        """Ask the thread for a beat, unless it still owes one."""
        if self._probed is None or self._probed.done():
            with contextlib.suppress(RuntimeError):  # it is shut down
                self._probed = self._thread.submit(self.pulse.beat)

    async def run(self, act: Callable[[], _T]) -> _T:
        """What `act` returns. BusyError if too many wait; AppError if it takes too long. Whoever
        stops waiting before its turn has cost nothing."""
        if self._inside >= self._most:
            raise BusyError("Too many searches are waiting. Please try again in a few seconds.")
        loop = asyncio.get_running_loop()
        self._inside += 1
        future = self._thread.submit(act)
        future.add_done_callback(lambda _: _tell(loop, self._leave))
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise AppError(
                f"The search took longer than {self._seconds:g} s. Please try again."
            ) from None

    def _leave(self) -> None:
        self._inside -= 1

    def close(self) -> Future[None]:
        """Nothing new begins; the future is done when the thread has nothing left to do."""
        last = self._thread.submit(lambda: None)
        self._thread.shutdown(wait=False)
        return last


class AsyncIndex:
    """An index to await. Every method may raise what Searcher's does, and BusyError.

    Searches that embed take turns; what only reads (thumbnails, an indexed picture's neighbours)
    never waits for a model.
    """

    def __init__(self, config: Config, *, most_waiting: int = 16, seconds: float = 30) -> None:
        """`most_waiting`: searches in the queue; `seconds`: how long one may take, with its
        waiting."""
        self._searcher = Searcher(config)
        self._embedding = _Lane("search", most_waiting, seconds)
        self._reading = _Lane("read", 16 * most_waiting, seconds)
        self._preparing = _Lane("prepare", 0, _LONGEST_SECONDS)

    @property
    def pulses(self) -> dict[str, Pulse]:
        """Of its threads, which `probe` keeps beating."""
        return {"search thread": self._embedding.pulse, "read thread": self._reading.pulse}

    def probe(self) -> None:
        """Call it every second or so; it waits for nothing."""
        self._embedding.probe()
        self._reading.probe()

    async def warm(self) -> None:
        """See Searcher."""
        await self._embedding.run(self._searcher.warm)

    async def prepare(self) -> None:
        """See Searcher; beside the searches, which go on meanwhile."""
        await self._preparing.run(self._searcher.prepare)

    async def keep_warm(self) -> None:
        """For ever: load the model of whichever index serves before somebody has to wait for it."""
        said = ""
        while True:
            try:
                await self.warm()
                await self.prepare()
            except (BusyError, NothingIndexed):
                pass  # it is warm, or there is nothing to warm
            except AppError as error:
                if str(error) != said:
                    logger.warning("%s", error)
                said = str(error)
            else:
                said = ""
            await asyncio.sleep(_WARM_SECONDS)

    async def search(
        self,
        image: bytes,
        k: int = 10,
        under: Place | None = None,
        max_distance: float | None = None,
        box: Box | None = None,
    ) -> Answer:
        """See ImageIndex."""
        return await self._embedding.run(
            lambda: self._searcher.search(image, k, under, max_distance, box)
        )

    async def similar(
        self,
        image_id: ImageId,
        k: int = 10,
        under: Place | None = None,
        max_distance: float | None = None,
    ) -> Answer:
        """See ImageIndex."""
        return await self._reading.run(
            lambda: self._searcher.similar(image_id, k, under, max_distance)
        )

    async def find(self, image_id: ImageId) -> ImageRecord:
        """See ImageIndex."""
        return await self._reading.run(lambda: self._searcher.find(image_id))

    async def thumbnails(self, digests: Collection[str]) -> dict[str, bytes]:
        """See Searcher."""
        return await self._reading.run(lambda: self._searcher.thumbnails(digests))

    async def count(self) -> int:
        """See Searcher."""
        return await self._reading.run(self._searcher.count)

    async def close(self) -> None:
        """End; what is being searched is waited for."""
        lanes = (self._embedding, self._reading, self._preparing)
        await asyncio.gather(*(asyncio.wrap_future(lane.close()) for lane in lanes))
        await asyncio.to_thread(self._searcher.close)

    async def close_within(self, seconds: float) -> bool:
        """The same; pictures that are being decoded then are given up. False if a thread goes on
        all the same, with loading a model, say: nothing but os._exit interrupts that."""
        closing = asyncio.ensure_future(self.close())
        done, _ = await asyncio.wait({closing}, timeout=seconds)
        if not done:
            await asyncio.to_thread(self._searcher.interrupt)
            done, _ = await asyncio.wait({closing}, timeout=_LAST_SECONDS)
        closing.cancel()
        return bool(done)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _tell(loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(act)
