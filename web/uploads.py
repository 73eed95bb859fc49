"""Reads a form with a picture into memory: nothing of it is ever written to a disk."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from core.errors import BusyError
from web.errors import RequestError

_FORM_BYTES = 64_000
"""For everything in a form but the picture."""
_MOST_FIELDS = 16


@dataclass(frozen=True, slots=True)
class Form:
    """What was sent; the picture's name is not even looked at."""

    image: bytes | None
    fields: dict[str, str]


class _InMemory(MultiPartParser):
    spool_max_size = 1 << 62  # never to a temporary file; Uploads limits the bytes


class Uploads:
    """Limits what is read, how long that takes, and how much of it is held at once."""

    def __init__(
        self, most_bytes: int, *, seconds: float = 60, most_held_bytes: int | None = None
    ) -> None:
        """`most_bytes`: of a picture; `most_held_bytes`: of all requests being served together."""
        self._most_bytes = most_bytes
        self._seconds = seconds
        self._most_held = max(most_bytes + _FORM_BYTES, most_held_bytes or 1_000_000_000)
        self._held = 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[Form]:
        """The form, held until the end of the context.

        RequestError: 400 malformed, 408 too slow, 413 too large, 415 no form. BusyError while
        too much is held.
        """
        kind = request.headers.get("content-type", "")
        if kind.partition(";")[0].strip().lower() != "multipart/form-data":
            raise RequestError(
                415, "Send a form (multipart/form-data) with the picture as 'image'."
            )
        declared = request.headers.get("content-length", "0")
        if declared.isdecimal() and int(declared) > self._most_bytes + _FORM_BYTES:
            raise self._too_large()
        taken = 0

        async def limited() -> AsyncGenerator[bytes, None]:
            nonlocal taken
            async for chunk in request.stream():
                taken += len(chunk)
                self._held += len(chunk)
                if taken > self._most_bytes + _FORM_BYTES:
                    raise self._too_large()
                if self._held > self._most_held:
                    raise BusyError("Too many pictures are being sent. Please try again soon.")
                yield chunk

        try:
            yield await self._parse(request, limited())
        finally:
            self._held -= taken

    async def _parse(self, request: Request, stream: AsyncGenerator[bytes, None]) -> Form:
        parser = _InMemory(request.headers, stream, max_files=1, max_fields=_MOST_FIELDS)
        try:
            async with asyncio.timeout(self._seconds):
                sent = await parser.parse()
                try:
                    form = await _read(sent)
                finally:
                    await sent.close()
        except TimeoutError:
            raise RequestError(
                408, f"The picture was not sent within {self._seconds:g} s."
            ) from None
        except MultiPartException as error:
            raise RequestError(400, f"The form is malformed: {error.message}") from None
        except ClientDisconnect:
            raise RequestError(400, "The connection ended in the middle of the form.") from None
        if form.image is not None and len(form.image) > self._most_bytes:
            raise self._too_large()
        return form

    def _too_large(self) -> RequestError:
        return RequestError(
            413, f"The picture has more than {self._most_bytes / 1e6:g} MB, the most taken here."
        )


async def _read(sent: FormData) -> Form:
    image: bytes | None = None
    fields: dict[str, str] = {}
    for name, value in sent.multi_items():
        if name in fields or (name == "image" and image is not None):
            raise RequestError(400, f"The field '{name:.40}' is there twice.")
        if not isinstance(value, UploadFile):
            fields[name] = value
        elif name == "image":
            image = await value.read()
        else:
            raise RequestError(400, "The picture's field must be called 'image'.")
    return Form(image, fields)
