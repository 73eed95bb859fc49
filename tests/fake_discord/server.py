"""Discord on a loopback port: REST, gateway and CDN, for the real discord.py client."""

import asyncio
import contextlib
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import BodyPartReader, web

from tests.fake_discord import payloads
from tests.fake_discord.gateway import MESSAGE_CONTENT, TOKEN, Gateway
from tests.fake_discord.judge import Judge, walk

DROP_BEFORE = "the connection is dropped, nothing was done"
DROP_AFTER = "the connection is dropped after the work was done"


@dataclass
class Request:
    """What the bot asked for."""

    method: str
    path: str
    body: Any
    files: dict[str, bytes]
    at: float
    status: int = 0

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass
class _Fault:
    method: str
    path: re.Pattern[str]
    answers: list[int | str]


@dataclass
class FakeDiscord:
    """Use it as an asynchronous context manager."""

    judge: Judge = field(default_factory=Judge)
    gateway: Gateway = field(default_factory=Gateway)
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    """Requests that Discord would have refused."""
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Sent by the bot, by id; an interaction's under its token."""
    downloads: int = 0
    retry_after_seconds: float = 0.05
    accepted_token: str = TOKEN
    interactions_url: str | None = None
    """Where interactions go instead of the gateway."""
    _files: dict[str, bytes] = field(default_factory=dict)
    _faults: list[_Fault] = field(default_factory=list)
    _nonces: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_get("/gateway/", self.gateway.handle)
        app.router.add_get("/attachments/{path:.*}", self._cdn)
        app.router.add_route("*", "/api/v10/{path:.*}", self._rest)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        self.gateway.url = f"ws://127.0.0.1:{self.port}/gateway/"
        self._changed = asyncio.Condition()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def environ(self) -> dict[str, str]:
        """What a process needs to talk to this one."""
        return {
            "DISCORD_TOKEN": self.gateway.token,
            "DISCORD_API_BASE": f"http://127.0.0.1:{self.port}/api/v10",
            "DISCORD_GATEWAY_URL": self.gateway.url,
        }

    # What people do

    def upload(self, name: str, data: bytes, **more: Any) -> dict[str, Any]:
        """An attachment's payload; `more` overrides what Discord would say of it."""
        number = payloads.new_id()
        path = f"{number}/{name}"
        self._files[path] = data
        url = f"http://127.0.0.1:{self.port}/attachments/{path}"
        return {
            "id": number, "filename": name, "size": len(data), "url": url, "proxy_url": url,
            "content_type": "image/jpeg", "width": 96, "height": 64, **more,
        }  # fmt: skip

    async def post(self, message: dict[str, Any]) -> str:
        """Show it to the bot, as far as its intents let it see; returns the id."""
        me = payloads.BOT
        seen = dict(message)
        if f"<@{me}>" in message["content"] and not seen["mentions"]:
            seen["mentions"] = [payloads.user(me, bot=True)]
        meant = "guild_id" not in seen or any(one["id"] == me for one in seen["mentions"])
        if not meant and not self.gateway.intents & MESSAGE_CONTENT:
            seen |= {"content": "", "attachments": [], "embeds": [], "components": []}
        await self.gateway.dispatch("MESSAGE_CREATE", seen)
        return str(message["id"])

    async def ask(self, interaction: dict[str, Any]) -> str:
        """A command or a click; returns the token under which the answer will be."""
        await self.gateway.dispatch("INTERACTION_CREATE", interaction)
        return str(interaction["token"])

    async def slash(
        self, who: str, attachment: dict[str, Any], more: dict[str, Any] | None = None, **of: Any
    ) -> str:
        """/similar; `more` are its other options, `of` what is special of the interaction."""
        kinds = {str: 3, int: 4, bool: 5}
        options = [
            {"name": "image", "type": 11, "value": attachment["id"]},
            *({"name": n, "type": kinds[type(v)], "value": v} for n, v in (more or {}).items()),
        ]
        data = {
            "id": payloads.new_id(), "name": "similar", "type": 1, "options": options,
            "resolved": {"attachments": {attachment["id"]: attachment}},
        }  # fmt: skip
        return await self.ask(payloads.interaction(2, who, data, **of))

    async def menu(self, who: str, message: dict[str, Any], **of: Any) -> str:
        """Find similar images, on a message."""
        data = {
            "id": payloads.new_id(), "name": "Find similar images", "type": 3,
            "target_id": message["id"], "resolved": {"messages": {message["id"]: message}},
        }  # fmt: skip
        return await self.ask(payloads.interaction(2, who, data, **of))

    async def click(
        self,
        who: str,
        message: dict[str, Any],
        custom_id: str,
        values: list[str] | None = None,
        **of: Any,
    ) -> str:
        """A button, or with `values` a list."""
        kind = {"component_type": 2} if values is None else {"component_type": 3, "values": values}
        data = {"custom_id": custom_id, **kind}
        return await self.ask(payloads.interaction(3, who, data, message=_wire(message), **of))

    # What the bot did

    async def until(self, condition: Callable[[], Any], seconds: float = 40) -> Any:
        """Wait for something that the bot brings about; what `condition` gave."""
        found = condition()
        async with asyncio.timeout(seconds), self._changed:
            while not found:
                with contextlib.suppress(TimeoutError):  # not every change is a request
                    await asyncio.wait_for(self._changed.wait(), 0.05)
                found = condition()
        return found

    async def answer(self, to: str, seconds: float = 40) -> dict[str, Any]:
        """The bot's message that replies to this message, or answers this interaction."""

        def there() -> dict[str, Any] | None:
            for message in self.messages.values():
                reference = message.get("message_reference") or {}
                if str(reference.get("message_id")) == to:
                    return message
            found = self.messages.get(to)
            return None if found is None or found.get("loading") else found

        answer: dict[str, Any] = await self.until(there, seconds)
        return answer

    def sent(self, method: str, path: str) -> list[Request]:
        """The requests whose path matches the whole of this regular expression."""
        return [r for r in self.requests if r.method == method and re.fullmatch(path, r.path)]

    def fail(self, method: str, path: str, *answers: int | str) -> None:
        """The next requests like this are answered so: a status, or DROP_BEFORE, DROP_AFTER."""
        self._faults.append(_Fault(method, re.compile(path), list(answers)))

    # The server

    async def _cdn(self, request: web.Request) -> web.Response:
        self.downloads += 1
        data = self._files.get(request.match_info["path"])
        if answer := self._next_fault("GET", "/cdn"):
            return web.Response(status=int(answer))
        if data is None:
            return web.Response(status=404)
        return web.Response(body=data, content_type="image/jpeg")

    def _next_fault(self, method: str, path: str) -> int | str | None:
        for fault in self._faults:
            if fault.answers and fault.method == method and fault.path.fullmatch(path):
                return fault.answers.pop(0)
        return None

    async def _rest(self, http: web.Request) -> web.StreamResponse:
        body, files = await _read(http)
        path = "/" + http.match_info["path"]
        request = Request(http.method, path, body, files, time.monotonic())
        self.requests.append(request)
        self.violations += self.judge.faults(http.method, path, body, files)
        fault = self._next_fault(http.method, path)
        if fault == DROP_BEFORE:
            return await self._dropped(http)
        if isinstance(fault, int):
            response = self._failure(fault)
        else:
            response = _json(*self._serve(request, http.headers.get("Authorization")))
        request.status = response.status
        async with self._changed:
            self._changed.notify_all()
        return await self._dropped(http) if fault == DROP_AFTER else response

    async def _dropped(self, http: web.Request) -> web.StreamResponse:
        assert http.transport is not None
        http.transport.abort()
        return web.Response()

    def _failure(self, status: int) -> web.Response:
        if status == 429:
            wait = self.retry_after_seconds
            body = {"message": "Slow down", "retry_after": wait, "global": False}
            response = _json(429, body)
            response.headers.update({"Via": "1.1 google", "Retry-After": str(wait)})
            return response
        codes = {400: 160002, 403: 50013, 413: 40005, 404: 10062}
        return _json(status, {"message": f"Fault {status}", "code": codes.get(status, 0)})

    def _serve(self, request: Request, authorization: str | None) -> tuple[int, Any]:
        method, path, body = request.method, request.path, request.body
        parts = path.strip("/").split("/")
        needs_token = parts[0] not in ("interactions", "webhooks")
        if needs_token and authorization != f"Bot {self.accepted_token}":
            return 401, {"message": "401: Unauthorized", "code": 0}
        match method, *parts:
            case "GET", "users", "@me":
                return 200, payloads.user(payloads.BOT, bot=True)
            case "GET", "oauth2", "applications", "@me":
                return 200, payloads.application(
                    reads_content=self.gateway.allows_content, elsewhere=self.interactions_url
                )
            case "GET", "channels", channel:
                known = {one["id"]: one for one in payloads.server()["channels"]}
                if channel not in known:
                    return 404, {"message": "Unknown Channel", "code": 10003}
                return 200, {**known[channel], "guild_id": payloads.SERVER}
            case "PUT", "applications", _, "commands":
                known = {"application_id": payloads.APPLICATION, "description": "", "version": "1"}
                return 200, [{**known, "id": payloads.new_id(), **one} for one in body]
            case "POST", "users", "@me", "channels":
                who = payloads.user(str(body["recipient_id"]))
                return 200, {"id": payloads.DIRECT, "type": 1, "recipients": [who]}
            case "POST", "channels", _, "typing":
                return 204, None
            case "POST", "channels", channel, "messages":
                nonce = str(body.get("nonce"))
                if body.get("enforce_nonce") and nonce in self._nonces:
                    return 200, self._nonces[nonce]
                made = self._nonces[nonce] = self._keep(request, payloads.new_id(), channel)
                return 200, made
            case "POST", "interactions", number, token, "callback":
                return self._called_back(request, number, token)
            case "PATCH", "webhooks", _, token, "messages", "@original":
                if token not in self.messages:
                    return 404, {"message": "Unknown Webhook", "code": 10015}
                return 200, self._keep(request, token, payloads.CHANNEL)
            case _:
                return 404, {"message": "404: Not Found", "code": 0}

    def _called_back(self, request: Request, number: str, token: str) -> tuple[int, Any]:
        if token in self.messages:
            return 400, {"message": "Already acknowledged", "code": 40060}
        data = request.body.get("data") or {}
        private = bool(data.get("flags", 0) & 64)
        if request.body["type"] == 5:
            self.messages[token] = {"loading": True, "private": private}
        else:
            self._keep(request, token, payloads.CHANNEL, data)
            self.messages[token]["private"] = private
        return 200, {"interaction": {"id": number, "type": 2}}

    def _keep(
        self, request: Request, key: str, channel: str, data: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """A message of the bot's; as Discord does, without attachments that components show."""
        body = request.body if data is None else data
        made = payloads.message(payloads.BOT, channel) | {
            "content": body.get("content") or "",
            "components": _numbered(body.get("components") or []),
            "flags": body.get("flags", 0),
            "author": payloads.user(payloads.BOT, bot=True),
            "private": self.messages.get(key, {}).get("private", False),
            "files": dict(request.files),
        }
        if "message_reference" in body:
            made["message_reference"] = {
                name: str(value) for name, value in body["message_reference"].items()
            }
        self.messages[key] = made
        return _wire(made)


def _wire(message: dict[str, Any]) -> dict[str, Any]:
    """Without our own notes."""
    return {name: value for name, value in message.items() if name not in ("private", "files")}


def _numbered(components: list[dict[str, Any]]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = json.loads(json.dumps(components))
    for number, component in enumerate(walk(made), 1):
        component["id"] = number
    return made


async def _read(http: web.Request) -> tuple[Any, dict[str, bytes]]:
    files: dict[str, bytes] = {}
    if http.content_type != "multipart/form-data":
        text = await http.text()
        return (json.loads(text) if text else None), files
    body: Any = None
    async for part in await http.multipart():
        assert isinstance(part, BodyPartReader)
        if part.name == "payload_json":
            body = json.loads(await part.text())
        else:
            files[str(part.filename)] = bytes(await part.read())
    return body, files


def _json(status: int, body: Any) -> web.Response:
    """With exactly the content type that discord.py compares with."""
    if status == 204:
        return web.Response(status=204)
    text = json.dumps(body).encode()
    return web.Response(status=status, body=text, headers={"Content-Type": "application/json"})
