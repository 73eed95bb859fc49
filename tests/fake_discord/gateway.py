"""The fake's websocket: heartbeats, sessions, events that are replayed after a RESUME."""

import asyncio
import contextlib
import json
import time
from typing import Any

from aiohttp import WSMsgType, web

from tests.fake_discord import payloads

MESSAGE_CONTENT = 1 << 15
TOKEN = "the-token"


class Gateway:
    """One bot's session. Set the attributes to misbehave."""

    def __init__(self) -> None:
        self.url = ""
        self.token = TOKEN
        self.heartbeat_seconds = 41.25
        self.allows_content = True
        self.refuses_resume = False
        self.close_code_at_identify: int | None = None
        self.refusals = 0
        """So many connections are turned away."""
        self.intents = 0
        self.heartbeats: list[float] = []
        """When they came, by time.monotonic."""
        self.said: list[str] = []
        """IDENTIFY and RESUME, in order."""
        self.close_codes: list[int | None] = []
        self._socket: web.WebSocketResponse | None = None
        self._events: list[dict[str, Any]] = []
        self._sent = 0
        self._session = ""
        self._changed = asyncio.Condition()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One connection, to its end."""
        if self.refusals:
            self.refusals -= 1
            return web.Response(status=503)
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        await self._send(socket, {"op": 10, "d": {"heartbeat_interval": self._interval_ms}})
        async for frame in socket:
            if frame.type is WSMsgType.TEXT:
                await self._take(socket, json.loads(frame.data))
        self.close_codes.append(socket.close_code)
        if self._socket is socket:
            self._socket = None
        return socket

    @property
    def _interval_ms(self) -> int:
        return int(self.heartbeat_seconds * 1000)

    async def _take(self, socket: web.WebSocketResponse, payload: dict[str, Any]) -> None:
        match payload["op"]:
            case 1:
                self.heartbeats.append(time.monotonic())
                await self._send(socket, {"op": 11})
            case 2:
                await self._identify(socket, payload["d"])
            case 6:
                await self._resume(socket, payload["d"])

    async def _identify(self, socket: web.WebSocketResponse, said: dict[str, Any]) -> None:
        self.said.append("IDENTIFY")
        self.intents = said["intents"]
        code = self.close_code_at_identify
        if said["token"] != self.token:
            code = 4004
        if self.intents & MESSAGE_CONTENT and not self.allows_content:
            code = 4014
        if code:
            await socket.close(code=code)
            return
        self._events, self._sent = [], 0
        self._session = payloads.new_id()
        self._socket = socket
        ready = {
            "v": 10, "user": payloads.user(payloads.BOT, bot=True), "session_id": self._session,
            "resume_gateway_url": self.url,
            "guilds": [{"id": payloads.SERVER, "unavailable": True}],
            "application": {"id": payloads.APPLICATION, "flags": 0},
        }  # fmt: skip
        await self.dispatch("READY", ready)
        await self.dispatch("GUILD_CREATE", payloads.server())

    async def _resume(self, socket: web.WebSocketResponse, said: dict[str, Any]) -> None:
        self.said.append("RESUME")
        if self.refuses_resume or said["session_id"] != self._session:
            await self._send(socket, {"op": 9, "d": False})
            return
        self._socket = socket
        for event in self._events[said["seq"] :]:
            await self._send(socket, event)
        await self.dispatch("RESUMED", {})

    async def dispatch(self, kind: str, data: Any) -> None:
        """Send an event; without a connection it is kept for the RESUME."""
        event = {"op": 0, "t": kind, "s": len(self._events) + 1, "d": data}
        self._events.append(event)
        if self._socket is not None:
            await self._send(self._socket, event)
        async with self._changed:
            self._changed.notify_all()

    async def ask_to_reconnect(self) -> None:
        """Op 7."""
        assert self._socket is not None
        await self._send(self._socket, {"op": 7, "d": None})

    async def invalidate(self) -> None:
        """Op 9: the session cannot be resumed."""
        assert self._socket is not None
        self._session = ""
        await self._send(self._socket, {"op": 9, "d": False})

    async def close(self, code: int) -> None:
        """End the connection, as Discord does now and then."""
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close(code=code)

    def drop(self) -> None:
        """End it without a word."""
        socket, self._socket = self._socket, None
        if socket is not None and socket._req is not None and socket._req.transport is not None:
            socket._req.transport.abort()

    async def until_said(self, *wanted: str, seconds: float = 40) -> None:
        """Wait until the bot has said this, in order, and nothing else."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: self.said == [*wanted] and self._socket)

    async def _send(self, socket: web.WebSocketResponse, payload: dict[str, Any]) -> None:
        with contextlib.suppress(ConnectionError):
            await socket.send_str(json.dumps(payload))
