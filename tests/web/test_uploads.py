"""Reading a form: how much, for how long, and until the end."""

import asyncio
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from starlette.requests import Request
from starlette.types import Message

from core.errors import BusyError
from tests.web.conftest import Serve
from web.errors import RequestError
from web.uploads import Uploads

HEAD = b'--x\r\nContent-Disposition: form-data; name="image"; filename="../a"\r\n\r\n'
TAIL = b"\r\n--x--\r\n"


def request(picture: bytes, *, ends: bool = True) -> Request:
    """A form that arrives in pieces; with `ends` False its end never comes."""
    body = HEAD + picture + TAIL
    pieces: Iterator[bytes] = iter([body[at : at + 1000] for at in range(0, len(body), 1000)])

    async def receive() -> Message:
        piece = next(pieces, None)
        if piece is None and not ends:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    headers = [(b"content-type", b"multipart/form-data; boundary=x")]
    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


def test_what_is_held_at_once_is_limited_and_given_back() -> None:
    async def ask() -> None:
        uploads = Uploads(100_000, most_held_bytes=250_000)
        async with uploads.read(request(b"a" * 100_000)) as first:
            assert first.image == b"a" * 100_000
            async with uploads.read(request(b"b" * 100_000)):
                with pytest.raises(BusyError, match="try again"):
                    async with uploads.read(request(b"c" * 100_000)):
                        pytest.fail("held beyond the limit")
        for _ in range(5):
            async with uploads.read(request(b"d" * 100_000)) as form:
                assert form.fields == {}

    asyncio.run(ask())


def test_a_form_that_does_not_end_is_given_up() -> None:
    async def ask() -> None:
        uploads = Uploads(100_000, seconds=0.05)
        with pytest.raises(RequestError, match=r"0\.05 s") as refused:
            async with uploads.read(request(b"a" * 5000, ends=False)):
                pytest.fail("it has no end")
        assert refused.value.status == 408

    asyncio.run(ask())


def test_a_refusal_reaches_a_client_that_is_still_sending(serve: Serve) -> None:
    """Closing the connection in the middle of a body would make it lose the answer."""
    host, port = urlsplit(serve(searches_per_minute=1)).netloc.split(":")
    size = 30_000_000
    head = (
        f"POST /api/search HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {size}\r\n\r\n"
    )
    for expected in (b"400", b"429"):
        with socket.create_connection((host, int(port)), timeout=20) as client:
            client.sendall(head.encode() + bytes(size))
            assert client.recv(100).startswith(b"HTTP/1.1 " + expected)
