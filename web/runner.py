"""Runs the page and the API as a process: where it listens, signals, logging, exit code."""

import asyncio
import ipaddress
import signal
import socket
import sys
from types import FrameType

import uvicorn

from core.config import Config, Web, read_secret
from core.errors import AppError, ConfigError
from core.logs import set_up_logging
from web.app import create_app
from web.security import Keys

_BACKLOG = 128
_LAST_ANSWERS_SECONDS = 3


def run(config: Config) -> int:
    """Until SIGTERM or SIGINT; returns the exit code."""
    set_up_logging(config.log)
    keys = Keys(read_secret("LOOKALIKE_WEB_PASSWORD"), read_secret("LOOKALIKE_WEB_TOKEN"))
    listeners = [listen(*place) for place in places(config.web, keys)]
    server = make_server(config, keys)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        """Before uvicorn listens to signals, and after: it repeats the one that ended it."""
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    asyncio.run(_serve(server, listeners, config.web.host))
    return 0


def make_server(config: Config, keys: Keys) -> uvicorn.Server:
    """The application in its server; give `serve` the sockets to listen on."""
    return uvicorn.Server(
        uvicorn.Config(
            create_app(config, keys),
            http="h11",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_LAST_ANSWERS_SECONDS,
        )
    )


async def _serve(server: uvicorn.Server, listeners: list[socket.socket], host: str) -> None:
    port = listeners[0].getsockname()[1]
    serving = asyncio.create_task(server.serve(listeners))
    while not server.started and not serving.done():
        await asyncio.sleep(0.01)
    if server.started:
        shown = f"[{host}]" if ":" in host else "localhost" if host == "0.0.0.0" else host
        sys.stderr.write(f"The page is at http://{shown}:{port}/\n")
        sys.stderr.flush()
    await serving


Place = tuple[int, tuple[str, int]]
"""Address family, and host and port."""


def places(web: Web, keys: Keys) -> list[Place]:
    """Where to listen; ConfigError unless all of it is loopback, or a key is needed to get in."""
    try:
        found = socket.getaddrinfo(web.host, web.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ConfigError(f"web.host: '{web.host}' is no address here: {error.strerror}.") from None
    places: list[Place] = [
        (family, (str(address[0]), int(address[1]))) for family, *_, address in found
    ]
    open_to_others = [
        host for _, (host, _) in places if not ipaddress.ip_address(host.split("%")[0]).is_loopback
    ]
    if open_to_others and not keys:
        raise ConfigError(
            f"web.host: {web.host} lets other machines in; set LOOKALIKE_WEB_PASSWORD or "
            "LOOKALIKE_WEB_TOKEN first, or listen on 127.0.0.1 only."
        )
    # With port 0 every address would get a port of its own.
    return places[:1] if web.port == 0 else list(dict.fromkeys(places))


def listen(family: int, place: tuple[str, int]) -> socket.socket:
    """A socket that accepts connections at (host, port); AppError if it cannot."""
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(place)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        host, port = place
        raise AppError(
            f"The page cannot be served on {host} port {port}: {error.strerror}. "
            "Is another one running? web.port chooses another port."
        ) from None
    return listener
