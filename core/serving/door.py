"""The doorkeeper of the model: starts its process when somebody knocks, and again when it dies.

It reads nothing that anybody sends, for the worker inherits the listening socket; and it imports
little, for it is always there: some 6 MB.
"""

import contextlib
import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from core import frames
from core.logs import set_up_logging
from core.programs import command_of
from core.service_manager import Manager
from core.serving import ServiceSettings

logger = logging.getLogger(__name__)

WORKER = command_of("core.serving.worker")
STOP_SECONDS = 5
FORGIVEN_SECONDS = 60
"""A crash is forgotten once no other has followed for so long."""
_THRIFT = {"MALLOC_ARENA_MAX": "2"}
"""Else each thread keeps what it once needed: 1,050 MB instead of 730 after the first batches."""
_LONGEST_PAUSE_SECONDS = 30.0
_ACCEPT_AT_ONCE = 64


def main() -> None:
    """Keep the door of an inherited socket until SIGTERM or SIGINT."""
    settings = ServiceSettings(**json.loads(sys.argv[1]))
    set_up_logging(settings)
    listener = socket.socket(fileno=settings.listener)
    door = Door(listener, [*WORKER, sys.argv[1]], Manager())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, door.stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
    try:
        door.run()
    finally:
        Path(settings.file).unlink(missing_ok=True)


class Door:
    """One listening socket, and at most one worker that serves it."""

    def __init__(
        self,
        listener: socket.socket,
        command: Sequence[str],
        manager: Manager,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`command` starts a worker, which finds the listener among its file descriptors."""
        self._listener = listener
        self._command = command
        self._manager = manager
        self._told = ""
        self._clock = clock
        self._worker: subprocess.Popen[bytes] | None = None
        self._stopping = False
        self._crashes = 0
        self._crashed = float("-inf")
        self._how = ""
        self._wake, theirs = socket.socketpair()
        for end in (self._wake, theirs, listener):
            end.settimeout(0)
        # Signals, and with SIGCHLD the end of the worker, wake the loop up.
        self._theirs = theirs
        signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """End soon; for signal handlers."""
        self._stopping = True

    def run(self) -> None:
        """Until stop()."""
        self._manager.tell("READY=1")
        try:
            while not self._stopping:
                self._look()
        finally:
            self._manager.tell("STOPPING=1", "STATUS=stopping")
            self._manager.close()
            self._end()

    def _look(self) -> None:
        if self._worker and self._worker.poll() is not None:
            self._note_end(self._worker.returncode)
        self._tell()
        # A worker accepts for itself; what is left in the queue when it ends is for the next one.
        waited_for = [self._wake] if self._worker else [self._wake, self._listener]
        ready, _, _ = select.select(waited_for, [], [], self._patience_seconds())
        if self._wake in ready:
            with contextlib.suppress(BlockingIOError):
                self._wake.recv(4096)
        if self._listener in ready and not self._stopping:
            if self._pause_seconds():
                self._refuse()
            else:
                self._start()

    def _tell(self) -> None:
        """The service manager: this loop turns, and who has the model."""
        status = f"process {self._worker.pid} has the model" if self._worker else "nobody has asked"
        if self._pause_seconds():
            status = self._why_not()
        news = [f"STATUS={status}"] if status != self._told else []
        self._manager.tell("WATCHDOG=1", *news)
        self._told = status

    def _patience_seconds(self) -> float | None:
        """Until the next look, if nothing happens."""
        watchdog = self._manager.watchdog_seconds
        waits = [self._pause_seconds(), watchdog / 3 if watchdog else 0.0]
        return min((wait for wait in waits if wait), default=None)

    def _start(self) -> None:
        try:
            self._worker = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,  # its end tells the worker that we are gone
                pass_fds=[self._listener.fileno()],
                env=_THRIFT | os.environ,
            )
        except OSError as error:  # no memory for another process
            self._note_crash(str(error))

    def _note_end(self, code: int) -> None:
        assert self._worker is not None and self._worker.stdin is not None
        self._worker.stdin.close()
        self._worker = None
        if code:
            how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
            self._note_crash(how)

    def _note_crash(self, how: str) -> None:
        now = self._clock()
        self._crashes = self._crashes + 1 if now - self._crashed < FORGIVEN_SECONDS else 1
        self._crashed, self._how = now, how
        logger.warning("The model's process ended: %s", how)

    def _pause_seconds(self) -> float:
        """How long no worker is started yet: after a first crash it is at once, then ever later."""
        if self._crashes < 2:
            return 0.0
        pause = min(_LONGEST_PAUSE_SECONDS, 2.0 ** (self._crashes - 2))
        return max(0.0, self._crashed + pause - self._clock())

    def _why_not(self) -> str:
        return (
            f"The model's process has ended {self._crashes} times in a row ({self._how}); it is "
            f"started again in {self._pause_seconds():.0f} s. Is there memory left?"
        )

    def _refuse(self) -> None:
        sentence = self._why_not()
        for _ in range(_ACCEPT_AT_ONCE):
            with contextlib.suppress(OSError):
                try:
                    client, _ = self._listener.accept()
                except BlockingIOError:
                    return
                with client:
                    client.settimeout(0)
                    frames.send(client, {"error": "ModelError"}, sentence.encode())

    def _end(self) -> None:
        signal.set_wakeup_fd(-1)
        for end in (self._wake, self._theirs, self._listener):
            end.close()
        if self._worker is None:
            return
        assert self._worker.stdin is not None
        self._worker.stdin.close()
        try:
            self._worker.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._worker.kill()
            self._worker.wait()
