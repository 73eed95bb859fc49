"""Thumbnails by image id, the latest from memory: a page of results asks for dozens at once."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

from core.aio import AsyncIndex
from core.errors import NotIndexed
from core.records import ImageId

_MOST = 2_000  # some 11 KB each
_FRESH_SECONDS = 30.0
"""So long a row is taken to hold the picture that an answer said it holds."""


class Thumbnails:
    """Reads each thumbnail once while it is in use."""

    def __init__(self, index: AsyncIndex, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._index = index
        self._clock = clock
        self._pictures: OrderedDict[str, bytes] = OrderedDict()
        self._digests: OrderedDict[ImageId, tuple[str, float]] = OrderedDict()

    async def load(self, rows: Iterable[tuple[ImageId, str]]) -> None:
        """Of (id, digest) that are about to be asked for, in one go."""
        now = self._clock()
        wanted = []
        for image_id, digest in rows:
            self._digests[image_id] = (digest, now)
            self._digests.move_to_end(image_id)
            if digest not in self._pictures:
                wanted.append(digest)
        if wanted:
            self._pictures.update(await self._index.thumbnails(wanted))
        self._trim()

    async def of(self, image_id: ImageId) -> tuple[str, bytes]:
        """(digest, JPEG bytes); NotIndexed if there is none."""
        digest, since = self._digests.get(image_id, ("", float("-inf")))
        if self._clock() - since > _FRESH_SECONDS:
            digest = (await self._index.find(image_id)).digest
        return digest, await self.by_digest(digest)

    async def by_digest(self, digest: str) -> bytes:
        """JPEG bytes; NotIndexed if there are none."""
        picture = self._pictures.get(digest)
        if picture is None:
            picture = (await self._index.thumbnails([digest])).get(digest)
            if picture is None:
                raise NotIndexed
            self._pictures[digest] = picture
            self._trim()
        return picture

    def _trim(self) -> None:
        while len(self._pictures) > _MOST:
            self._pictures.popitem(last=False)
        while len(self._digests) > _MOST:
            self._digests.popitem(last=False)
