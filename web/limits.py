"""How much one client may ask, and how long it is listened to."""

import asyncio
import ipaddress
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web.errors import RequestError

WINDOW_SECONDS = 60
_MOST_CLIENTS = 10_000
_DRAIN_SECONDS = 5
_DRAIN_BYTES = 64_000_000


class RateLimit:
    """At most so many in any minute, per client."""

    def __init__(
        self, per_minute: int, sentence: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`per_minute`: 0 = no limit. `sentence` tells a client that it is over the limit."""
        self._most = per_minute
        self._sentence = sentence
        self._clock = clock
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()

    def check(self, client: str) -> None:
        """RequestError 429 if the client has used up its minute."""
        if not self._most:
            return
        times = self._recent(client)
        if len(times) >= self._most:
            wait = max(1, math.ceil(times[0] + WINDOW_SECONDS - self._clock()))
            raise RequestError(429, self._sentence.format(seconds=wait), wait)

    def count(self, client: str) -> None:
        """One more of this client's."""
        if self._most:
            self._recent(client).append(self._clock())

    def _recent(self, client: str) -> deque[float]:
        key = _network(client)
        times = self._seen.setdefault(key, deque())
        self._seen.move_to_end(key)
        if len(self._seen) > _MOST_CLIENTS:
            self._seen.popitem(last=False)
        while times and times[0] <= self._clock() - WINDOW_SECONDS:
            times.popleft()
        return times


def _network(client: str) -> str:
    """The client's address; of IPv6 the network, of which a client has all addresses."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return client
    if address.version == 4:
        return client
    return str(ipaddress.ip_network((address, 64), strict=False))


class DrainBody:
    """Hears a request out before it answers: a client that is still sending when the connection
    is closed never reads the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        more = True
        started = False

        async def listen() -> Message:
            nonlocal more
            message = await receive()
            more = message["type"] == "http.request" and message.get("more_body", False)
            return message

        async def drain() -> None:
            left = _DRAIN_BYTES
            while more and left > 0:
                left -= len((await listen()).get("body", b""))

        async def answer(message: Message) -> None:
            nonlocal started
            if not started:
                started = True
                try:
                    async with asyncio.timeout(_DRAIN_SECONDS):
                        await drain()
                except TimeoutError:
                    pass
            await send(message)

        await self._app(scope, listen, answer)
