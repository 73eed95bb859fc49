"""What people order of a running daemon: received in threads of their own, done by the loop."""

import queue
from collections.abc import Callable, Iterator
from pathlib import Path

from core.errors import AppError
from core.pulse import Pulse
from daemon.commands import carry_out
from daemon.control import ControlServer, Request
from daemon.engine import Engine


class Inbox:
    """A socket and a queue behind it."""

    def __init__(self, socket: Path, wake: Callable[[], None]) -> None:
        """`wake` is called in another thread when something has come."""
        self._requests: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._wake = wake
        self._server = ControlServer(socket, self._receive)

    @property
    def pulse(self) -> Pulse:
        """Of the thread that receives."""
        return self._server.pulse

    def start(self) -> None:
        """Receive from now on."""
        self._server.start()

    def ensure(self) -> None:
        """Make the socket anew if somebody removed it."""
        self._server.ensure()

    def stop(self) -> None:
        """Receive no more."""
        self._server.stop()

    def serve(self, engine: Engine) -> Iterator[str]:
        """Do what has come, one after the other. Yields the commands that were carried out."""
        while not self._requests.empty():
            request = self._requests.get()
            carry_out(engine, request)
            yield request.command

    def refuse(self, error: AppError) -> None:
        """Do nothing of what has come, and say why."""
        while not self._requests.empty():
            self._requests.get().fail(error)

    def _receive(self, request: Request) -> None:
        self._requests.put(request)
        self._wake()
