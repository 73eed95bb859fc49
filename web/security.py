"""Who may talk to us at all: hosts, keys, origins; and the headers that every answer carries."""

import re
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.config import Web
from core.keys import Keys
from web.errors import RequestError
from web.limits import RateLimit

OPEN_PATHS = frozenset({"/healthz", "/readyz"})
"""Answered without password or token."""
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[^:\[\]@/\s]+)(?::\d{1,5})?")
_WRONG_KEYS_PER_MINUTE = 20

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(), microphone=(), payment=(), usb=()",
    # Not no-referrer: browsers would then send "Origin: null" with our own form.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard:
    """Refuses wrong hosts (400), missing keys (401) and other sites (403)."""

    def __init__(self, app: ASGIApp, *, web: Web, keys: Keys) -> None:
        self._app = app
        self._hosts = {"localhost", "127.0.0.1", "[::1]", web.host.lower()}
        self._hosts |= {f"[{web.host.lower()}]"} if ":" in web.host else set()
        self._hosts |= {host.lower() for host in web.allowed_hosts}
        self._keys = keys
        self._wrong_keys = RateLimit(
            _WRONG_KEYS_PER_MINUTE, "Too many wrong keys. Please try again in {seconds} s."
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "private, no-cache")
            await send(message)

        try:
            self._check(scope)
        except RequestError as refusal:
            headers = {}
            if refusal.status == 401:
                headers["WWW-Authenticate"] = 'Basic realm="Lookalike", charset="UTF-8"'
            if refusal.retry_after_seconds:
                headers["Retry-After"] = str(refusal.retry_after_seconds)
            response = JSONResponse({"error": str(refusal)}, refusal.status, headers)
            await response(scope, receive, dressed)
            return
        await self._app(scope, receive, dressed)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        self._check_host(host)
        if self._keys and scope["path"] not in OPEN_PATHS:
            self._check_keys(headers.get("authorization", ""), (scope.get("client") or ("?",))[0])
        if scope["method"] not in _SAFE_METHODS:
            _check_origin(headers, host)

    def _check_host(self, host: str) -> None:
        match = _HOST.fullmatch(host.lower())
        if not match or match["name"].removesuffix(".") not in self._hosts:
            raise RequestError(
                400, "This host is not known here; add it to web.allowed_hosts to be served."
            )

    def _check_keys(self, authorization: str, client: str) -> None:
        self._wrong_keys.check(client)
        if not self._keys.fit(authorization):
            if authorization:
                self._wrong_keys.count(client)
            raise RequestError(401, "A password or a token is needed.")


def _check_origin(headers: Headers, host: str) -> None:
    """Browsers say where an unsafe request comes from; programs say nothing and are no danger."""
    origin = headers.get("origin")
    elsewhere = origin is not None and urlsplit(origin).netloc.lower() != host.lower()
    if elsewhere or headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        raise RequestError(403, "This request comes from another site.")
