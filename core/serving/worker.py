"""The process that has the model: answers whoever connects, and ends when nobody has asked for
long. The doorkeeper (core.serving.door) starts the next one."""

import contextlib
import json
import logging
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from core import frames
from core.embedders import Embedder
from core.errors import AppError, ModelError
from core.local_sockets import is_ours
from core.logs import set_up_logging
from core.serving import ALIVE_SECONDS, MOST_PIXEL_BYTES, ServiceSettings
from core.serving.lanes import Lanes
from core.serving.models import Models
from core.serving.wanted import Wanted

logger = logging.getLogger(__name__)

T = TypeVar("T")

EMPTY_SECONDS = 30
"""So long a process that holds no model, for there are no weights, waits for another question."""
_LOOK_SECONDS = 1.0
_MESSAGE_SECONDS = 30
_MOST_CONNECTIONS = 128
_LOADS_AT_ONCE = 4  # of different models; one may take minutes to be fetched


def main() -> None:
    """Serve the inherited socket; settings are the first argument."""
    settings = ServiceSettings(**json.loads(sys.argv[1]))
    set_up_logging(settings)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C: the doorkeeper ends us
    with contextlib.suppress(OSError):  # Linux: short of memory, better us than the daemon
        Path("/proc/self/oom_score_adj").write_text("500")
    worker = Worker(socket.socket(fileno=settings.listener), settings.unload_seconds)
    worker.serve(gone=sys.stdin.fileno())
    logging.shutdown()
    os._exit(0)  # whoever is still connected connects anew


class Worker:
    """Answers requests, on a thread per connection."""

    def __init__(self, listener: socket.socket, unload_seconds: float) -> None:
        self._listener = listener
        self._unload_seconds = unload_seconds
        self._models = Models()
        self._lanes = Lanes()
        self._loading = ThreadPoolExecutor(_LOADS_AT_ONCE, "load")
        self._lock = threading.Lock()
        self._asked = time.monotonic()
        self._at_work = 0
        self._connections = 0

    def serve(self, gone: int) -> None:
        """Until nobody has asked for long, or `gone` ends: the doorkeeper is no more."""
        waited_for: list[socket.socket | int] = [self._listener, gone]
        while True:
            ready, _, _ = select.select(waited_for, [], [], _LOOK_SECONDS)
            if gone in ready and not os.read(gone, 1):
                return
            if self._listener in ready:
                with contextlib.suppress(OSError):  # it has left again
                    self._welcome(self._listener.accept()[0])
            elif self._is_idle():
                logger.info("Nobody has asked for the model for long; its process ends")
                return

    def _is_idle(self) -> bool:
        limit = self._unload_seconds
        if not len(self._models):
            limit = min(limit, EMPTY_SECONDS) if limit else EMPTY_SECONDS
        with self._lock:
            return bool(limit) and not self._at_work and time.monotonic() - self._asked >= limit

    def _welcome(self, client: socket.socket) -> None:
        if not is_ours(client) or self._connections >= _MOST_CONNECTIONS:
            client.close()
            return
        client.settimeout(None)
        self._connections += 1
        threading.Thread(target=self._attend, args=(client,), daemon=True).start()

    def _attend(self, client: socket.socket) -> None:
        try:
            # It has left, or sends what is no request: the others are not concerned.
            with client, contextlib.suppress(OSError, EOFError, ValueError):
                while client.recv(1, socket.MSG_PEEK):
                    deadline = time.monotonic() + _MESSAGE_SECONDS
                    header, payload = frames.receive(
                        client, max_payload_bytes=MOST_PIXEL_BYTES, deadline=deadline
                    )
                    client.settimeout(None)
                    with self._busy():
                        self._answer(client, header, payload)
        finally:
            with self._lock:
                self._connections -= 1

    @contextlib.contextmanager
    def _busy(self) -> Iterator[None]:
        with self._lock:
            self._at_work += 1
        try:
            yield
        finally:
            with self._lock:
                self._at_work -= 1
                self._asked = time.monotonic()

    def _answer(self, client: socket.socket, header: dict[str, object], payload: bytes) -> None:
        wanted = Wanted.parse(header)
        count = header.get("count")
        if type(count) is not int or count < 0:
            raise ValueError("no number")
        vectors = b""
        try:
            embedder = self._models.known(wanted) or self._wait(
                client, self._loading.submit(self._models.load, wanted)
            )
            if count:
                pixels = _pixels(payload, count, embedder)
                vectors = self._wait(client, self._lanes.submit(embedder, pixels)).tobytes()
        except AppError as error:
            frames.send(client, {"error": type(error).__name__}, str(error).encode())
            return
        answer = {
            "name": embedder.name,
            "dim": embedder.dim,
            "batch_size": embedder.batch_size,
            "streams": embedder.streams,
        }
        frames.send(client, answer, vectors)

    def _wait(self, client: socket.socket, future: "Future[T]") -> T:
        """Its result; meanwhile the client hears now and then that we live."""
        while not wait([future], ALIVE_SECONDS).done:
            try:
                frames.send(client, {"working": True})
            except OSError:
                future.cancel()
                raise
        try:
            return future.result()
        except AppError:
            raise
        except Exception as error:
            logger.exception("The model failed")
            raise ModelError(
                f"The model failed ({type(error).__name__}); the log of its process has it whole."
            ) from error


def _pixels(payload: bytes, count: int, embedder: Embedder) -> NDArray[np.uint8]:
    side = embedder.preprocessing.size
    if len(payload) != count * side * side * 3:
        raise ValueError("not the pixels that were announced")
    return np.frombuffer(payload, np.uint8).reshape(count, side, side, 3)
