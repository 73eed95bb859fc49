"""Commands to a running daemon: a Unix socket, one JSON object a line, progress as lines."""

import contextlib
import json
import logging
import queue
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.errors import AppError
from core.local_sockets import connect, listen
from core.pulse import Pulse

logger = logging.getLogger(__name__)

_LONGEST_REQUEST = 1 << 20
_TURN_SECONDS = 5
_SILENT_SECONDS = 60

Document = dict[str, Any]


@dataclass
class Request:
    """One command of one client; whoever carries it out calls `tell` and, at last, `finish`."""

    command: str
    arguments: Document
    answers: "queue.SimpleQueue[Document]" = field(default_factory=queue.SimpleQueue)

    def tell(self, progress: Document) -> None:
        """A line of progress."""
        self.answers.put({"progress": progress})

    def finish(self, result: Document) -> None:
        """The last line."""
        self.answers.put({"result": result})

    def fail(self, error: AppError) -> None:
        """The last line, when it could not be done."""
        self.answers.put({"error": str(error), "exit_code": error.exit_code})


class ControlServer:
    """Hands every command to `accept`, on a thread per client."""

    def __init__(self, file: Path, accept: Callable[[Request], None]) -> None:
        self._file = file
        self._accept = accept
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self.pulse = Pulse(_SILENT_SECONDS)
        """Of the thread that listens."""

    def start(self) -> None:
        """Listen; the daemon's lock is held, so a socket that lies there is a dead one."""
        self._socket = listen(self._file)
        self._socket.settimeout(_TURN_SECONDS)
        self.ensure()

    def ensure(self) -> None:
        """Replace the thread that listens, should it have died."""
        if self._socket and not (self._thread and self._thread.is_alive()):
            arguments = (self._socket,)
            self._thread = threading.Thread(
                target=self._listen, args=arguments, name="control", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """Idempotent."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            self._socket = None
            self._file.unlink(missing_ok=True)

    def _listen(self, listener: socket.socket) -> None:
        while True:
            self.pulse.beat()
            try:
                client, _ = listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return  # stopped
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), client.makefile("rwb") as stream:
            try:
                document = json.loads(stream.readline(_LONGEST_REQUEST))
                request = Request(str(document.pop("command")), document)
            except (ValueError, KeyError, AttributeError, TypeError):
                _send(stream, {"error": "This is no command.", "exit_code": 2})
                return
            self._accept(request)
            while True:
                answer = request.answers.get()
                _send(stream, answer)
                if "progress" not in answer:
                    return


def _send(stream: Any, document: Document) -> None:
    stream.write(json.dumps(document).encode() + b"\n")
    stream.flush()


def is_listening(file: Path) -> bool:
    """Whether a process holds the socket, even one that hangs. AppError if this user may not know.
    A daemon that is connected to and asked nothing takes no notice."""
    connection = _connect(file)
    if connection:
        connection.close()
    return connection is not None


def ask_daemon(
    file: Path, command: str, arguments: Document, progress: Callable[[Document], None]
) -> Document | None:
    """What the running daemon answers; None where no daemon runs. AppError if it refuses."""
    connection = _connect(file)
    if connection is None:
        return None
    with (
        connection,
        contextlib.suppress(ConnectionError),
        connection.makefile("rwb") as stream,
    ):
        _send(stream, {"command": command, **arguments})
        for line in stream:
            answer = json.loads(line)
            if "progress" in answer:
                progress(answer["progress"])
            elif "error" in answer:
                failure = AppError(answer["error"])
                failure.exit_code = answer["exit_code"]
                raise failure
            else:
                return dict(answer["result"])
    raise AppError("The daemon stopped before it was done; what it did so far is kept.")


def _connect(file: Path) -> socket.socket | None:
    """None where nobody listens."""
    try:
        return connect(file)
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    except OSError as error:
        raise AppError(
            f"The daemon's socket {file} cannot be reached: {error.strerror or error}. "
            "Run the command as the daemon's user."
        ) from None
