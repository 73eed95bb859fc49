"""/healthz, /readyz and /metrics of a part that serves nothing else."""

import contextlib
import json
import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from core.keys import Keys
from core.listening import listen, places
from core.metrics import CONTENT_TYPE, Registry

logger = logging.getLogger(__name__)

_MOST_AT_ONCE = 16
_REQUEST_SECONDS = 5
_WRONG_KEY_SECONDS = 1
"""With so few seats nobody tries many keys."""
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]@/\s]+)(?::\d{1,5})?")


@dataclass(frozen=True, slots=True)
class Vitals:
    """What a part tells of itself. Each is called by threads of its own."""

    alive: Callable[[], str | None]
    """A sentence where the part does not work any more and should be restarted."""
    ready: Callable[[], str | None]
    """A sentence where it cannot do its work now."""
    metrics: Registry


def split_address(address: str) -> tuple[str, int]:
    """host:port or [host]:port, as the configuration has checked it."""
    host, _, port = address.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


@dataclass(frozen=True, slots=True)
class Doors:
    """Where it is asked: open, and not answered yet."""

    host: str = ""
    listeners: tuple[socket.socket, ...] = ()


def open_doors(address: str | None, keys: Keys, setting: str) -> Doors:
    """At `address`, none where it is None. ConfigError, AppError."""
    if address is None:
        return Doors()
    host, port = split_address(address)
    listeners = [
        listen(*place, what="/healthz and /metrics", setting=setting)
        for place in places(host, port, keys, setting)
    ]
    return Doors(host.lower(), tuple(listeners))


@contextlib.contextmanager
def tell(doors: Doors, vitals: Vitals, keys: Keys) -> Iterator[None]:
    """Answers from threads of its own, while the context lasts."""
    servers = [_Server(listener, vitals, keys, doors.host) for listener in doors.listeners]
    threads = [
        threading.Thread(target=server.serve_forever, args=(0.1,), name="health", daemon=True)
        for server in servers
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


class _Server(HTTPServer):
    """A thread a request, and not more than a few of them."""

    def __init__(self, listener: socket.socket, vitals: Vitals, keys: Keys, host: str) -> None:
        self.address_family = listener.family
        super().__init__(listener.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.vitals = vitals
        self.keys = keys
        self.hosts = {"localhost", "127.0.0.1", "[::1]", host, f"[{host}]"}
        self._seats = threading.BoundedSemaphore(_MOST_AT_ONCE)

    def process_request(self, request: Any, client_address: Any) -> None:
        """See HTTPServer. Whoever comes when all seats are taken is sent away."""
        if not self._seats.acquire(blocking=False):
            self.shutdown_request(request)
            return
        threading.Thread(
            target=self._answer, args=(request, client_address), name="health", daemon=True
        ).start()

    def _answer(self, request: Any, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except OSError as error:  # it went away
            logger.debug("A request broke off: %s", error)
        except Exception:
            logger.exception("A request could not be answered")
        finally:
            self._seats.release()
            self.shutdown_request(request)


class _Handler(BaseHTTPRequestHandler):
    timeout = _REQUEST_SECONDS
    server: _Server
    server_version = "lookalike"
    sys_version = ""
    error_content_type = "application/json"
    error_message_format = '{"error": "This cannot be done here."}'

    def do_GET(self) -> None:
        status, content_type, body = self._reply(self.path.partition("?")[0])
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="Lookalike", charset="UTF-8"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - http.server's name

    def _reply(self, path: str) -> tuple[int, str, bytes]:
        server = self.server
        match = _HOST.fullmatch(self.headers.get("Host", "").lower())
        if not match or match[1].removesuffix(".") not in server.hosts:
            return _sentence(400, "This host is not known here.")
        if path == "/healthz":
            return _verdict(server.vitals.alive())
        if path == "/readyz":
            return _verdict(server.vitals.alive() or server.vitals.ready())
        given = self.headers.get("Authorization", "")
        if server.keys and not server.keys.fit(given):
            if given:
                time.sleep(_WRONG_KEY_SECONDS)
            return _sentence(401, "A password or a token is needed.")
        if path == "/metrics":
            return 200, CONTENT_TYPE, server.vitals.metrics.text()
        return _sentence(404, "There are /healthz, /readyz and /metrics.")

    def log_message(self, format: str, *args: Any) -> None:
        logger.debug(format, *args)


def _verdict(problem: str | None) -> tuple[int, str, bytes]:
    if problem:
        return _sentence(503, problem)
    return 200, "application/json", b'{"status": "ok"}\n'


def _sentence(status: int, sentence: str) -> tuple[int, str, bytes]:
    body = json.dumps({"error": sentence}, ensure_ascii=False) + "\n"
    return status, "application/json", body.encode()
