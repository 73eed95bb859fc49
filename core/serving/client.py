"""The model service as its clients see it: a question, an answer, and what can go wrong between."""

import contextlib
import socket
import threading
import time
import weakref
from collections.abc import Mapping
from pathlib import Path

from core import frames
from core.embedders.weights import WeightsMissing
from core.errors import AppError, ConfigError, ModelError
from core.local_sockets import connect, is_ours

SILENCE_SECONDS = 60
"""A service that works says so every few seconds; after so long without a word it hangs."""
_MOST_ERROR_BYTES = 1 << 16
_KINDS: dict[object, type[AppError]] = {
    kind.__name__: kind for kind in (ConfigError, WeightsMissing, ModelError)
}


class NobodyThere(ModelError):  # noqa: N818 - it reads as the sentence it is
    """No model service listens."""


class _Broken(Exception):  # noqa: N818 - ask() turns it into an error
    """The connection ended before the answer was complete."""


class ModelService:
    """Its connections, one for each question that is under way; safe to call from any thread."""

    def __init__(self, file: Path) -> None:
        """`file`: the socket. Connects when something is asked."""
        self._file = file
        self._lock = threading.Lock()
        self._resting: list[socket.socket] = []
        weakref.finalize(self, _close, self._resting)

    def ask(
        self, header: Mapping[str, object], payload: bytes = b"", *, max_bytes: int = 0
    ) -> tuple[dict[str, object], bytes]:
        """Its answer, unchecked.

        NobodyThere where no service listens; ConfigError, WeightsMissing or ModelError as the
        service has it; ModelError if it breaks off twice.
        """
        while resting := self._take():  # the process at its other end may be gone since
            with contextlib.suppress(_Broken):
                return self._exchange(resting, header, payload, max_bytes)
        try:
            return self._exchange(self._connect(), header, payload, max_bytes)
        except _Broken:
            pass  # the model's process died, perhaps for no fault of the question: once more
        try:
            return self._exchange(self._connect(), header, payload, max_bytes)
        except _Broken as broken:
            raise ModelError(
                f"The model service broke off twice ({broken}). Its log says why; is there "
                "memory left?"
            ) from None

    def _take(self) -> socket.socket | None:
        with self._lock:
            return self._resting.pop() if self._resting else None

    def _connect(self) -> socket.socket:
        try:
            connection = connect(self._file)
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            raise NobodyThere(
                "The model service has stopped. Start it again: lookalike model."
            ) from None
        except OSError as error:
            raise NobodyThere(
                f"The model service at {self._file} cannot be reached: {error.strerror or error}."
            ) from None
        if not is_ours(connection):
            connection.close()
            raise NobodyThere(f"Somebody else's process listens at {self._file}.")
        return connection

    def _exchange(
        self,
        connection: socket.socket,
        header: Mapping[str, object],
        payload: bytes,
        max_bytes: int,
    ) -> tuple[dict[str, object], bytes]:
        most = max(max_bytes, _MOST_ERROR_BYTES)
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                frames.send(connection, header, payload, deadline=_deadline())
            while True:  # also where nobody read all of the question: why may have been said
                answer, data = frames.receive(
                    connection, max_payload_bytes=most, deadline=_deadline()
                )
                if "working" not in answer:
                    break
        except TimeoutError:
            connection.close()
            raise ModelError(
                f"The model service has not said a word for {SILENCE_SECONDS} s."
            ) from None
        except (OSError, EOFError) as error:
            connection.close()
            raise _Broken(type(error).__name__) from None
        except ValueError:
            connection.close()
            raise ModelError("The model service answers nonsense.") from None
        except BaseException:  # Ctrl-C with half a message on the line
            connection.close()
            raise
        with self._lock:
            self._resting.append(connection)
        if (kind := answer.get("error")) is not None:
            raise _KINDS.get(kind, ModelError)(data.decode(errors="replace"))
        return answer, data


def _deadline() -> float:
    return time.monotonic() + SILENCE_SECONDS


def _close(connections: list[socket.socket]) -> None:
    for connection in connections:
        connection.close()
