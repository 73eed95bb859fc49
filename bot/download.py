"""Reads posted files: from Discord only, never more than is allowed, never for ever."""

import asyncio

import aiohttp
from yarl import URL

from bot.endpoints import Endpoints
from bot.posts import Posted
from core.errors import ImageError

_SECONDS = 30.0
_CHUNK_BYTES = 1 << 16
_TRIES = 2


class Downloads:
    """One HTTP session for all attachments. Create it in a running loop."""

    def __init__(self, endpoints: Endpoints, max_megabytes: float) -> None:
        self._endpoints = endpoints
        self._most_bytes = int(max_megabytes * 1e6)
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        self._session = aiohttp.ClientSession(timeout=timeout)

    def check(self, file: Posted) -> None:
        """ImageError if it is not worth downloading."""
        if not file.may_be_picture:
            raise ImageError("is not a picture; send a JPEG, PNG, WebP, GIF or the like")
        if file.size_bytes > self._most_bytes:
            raise self._too_large(file.size_bytes)
        if not self._endpoints.serves(URL(file.url)):
            raise ImageError("does not lie on Discord's servers")

    async def read(self, file: Posted) -> bytes:
        """Its bytes. ImageError with the reason if they cannot be had."""
        self.check(file)
        for attempt in range(_TRIES):
            try:
                return await self._get(URL(file.url, encoded=True))
            except (aiohttp.ClientError, TimeoutError, OSError):
                await asyncio.sleep(attempt)
        raise ImageError("could not be downloaded from Discord; please post it again")

    async def _get(self, url: URL) -> bytes:
        # A redirect could lead to a host inside our network.
        async with self._session.get(url, allow_redirects=False) as response:
            if response.status in (403, 404, 410):
                raise ImageError("is not there any more; please post it again")
            if response.status != 200:
                raise aiohttp.ClientError(f"Discord's CDN answered {response.status}")
            data = bytearray()
            async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                data += chunk
                if len(data) > self._most_bytes:
                    raise self._too_large(len(data))
            return bytes(data)

    def _too_large(self, size_bytes: int) -> ImageError:
        return ImageError(
            f"has {size_bytes / 1e6:.0f} MB, more than the {self._most_bytes / 1e6:g} MB that are "
            "searched"
        )

    async def close(self) -> None:
        """Idempotent."""
        await self._session.close()
