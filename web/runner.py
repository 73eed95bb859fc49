"""Runs the page and the API as a process: where it listens, signals, logging, exit code."""

import asyncio
import logging
import signal
import socket
from types import FrameType

import uvicorn

from core.config import Config
from core.keys import Keys, read_keys
from core.listening import listen, places
from core.logs import announce, catch_everything, set_up_logging
from web.app import create_app

_LAST_ANSWERS_SECONDS = 3


def run(config: Config) -> int:
    """Until SIGTERM or SIGINT; returns the exit code."""
    set_up_logging(config.log)
    catch_everything()
    keys = read_keys()
    host, port = config.web.host, config.web.port
    listeners = [listen(*place) for place in places(host, port, keys, "web.host")]
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
        announce(f"The page is at http://{shown}:{port}/", logging.INFO)
    await serving
