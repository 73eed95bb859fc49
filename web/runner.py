"""Runs the page and the API as a process: where it listens, signals, logging, exit code."""

import asyncio
import logging
import os
import signal
import socket
from types import FrameType

import uvicorn
from fastapi import FastAPI

from core.config import Config
from core.keys import Keys, read_keys
from core.listening import listen, places
from core.logs import announce, catch_everything, set_up_logging
from core.notify import Notifier, keep_beating
from core.pulse import Pulse
from core.stages import Stages
from web.app import create_app
from web.desk import Desk

_LAST_ANSWERS_SECONDS = 3
_SILENT_SECONDS = 20
"""Nothing slow is done on the loop."""


def run(config: Config) -> int:
    """Until SIGTERM or SIGINT; returns the exit code."""
    set_up_logging(config.log)
    catch_everything()
    keys = read_keys()
    host, port = config.web.host, config.web.port
    listeners = [listen(*place) for place in places(host, port, keys, "web.host")]
    server = make_server(config, keys)
    stages = Stages()
    notifier = Notifier(stages)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        """Before uvicorn listens to signals, and after: it repeats the one that ended it."""
        notifier.stopping()
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    address = _address(listeners[0], host)
    with notifier.telling(lambda: f"serving {address}" if server.started else "starting"):
        closed = asyncio.run(_serve(server, listeners, address, stages, notifier))
    if not closed:  # a model that is being loaded cannot be interrupted
        logging.shutdown()
        os._exit(0)
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


def _address(listener: socket.socket, host: str) -> str:
    port = listener.getsockname()[1]
    shown = f"[{host}]" if ":" in host else "localhost" if host == "0.0.0.0" else host
    return f"http://{shown}:{port}/"


async def _serve(
    server: uvicorn.Server,
    listeners: list[socket.socket],
    address: str,
    stages: Stages,
    notifier: Notifier,
) -> bool:
    """Until a signal; whether every thread has come to its end."""
    pulse = Pulse(_SILENT_SECONDS)
    stages.add("event loop", pulse)
    beating = asyncio.create_task(keep_beating(pulse, lambda: _probe(server)))
    serving = asyncio.create_task(server.serve(listeners))
    while not server.started and not serving.done():
        await asyncio.sleep(0.01)
    if server.started:
        for name, lane in _desk(server).index.pulses.items():
            stages.add(name, lane)
        notifier.ready()
        announce(f"The page is at {address}", logging.INFO)
    try:
        await serving
    finally:
        beating.cancel()
    return not server.started or _desk(server).is_closed


def _probe(server: uvicorn.Server) -> None:
    if server.started:
        _desk(server).index.probe()


def _desk(server: uvicorn.Server) -> Desk:
    app = server.config.app
    assert isinstance(app, FastAPI)
    desk = app.state.desk
    assert isinstance(desk, Desk)
    return desk
