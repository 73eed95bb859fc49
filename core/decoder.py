"""Decoding apart from the daemon: a file that crashes, hangs or bloats the decoder harms no other.

Every worker process has one picture at a time, so the culprit is always known.
"""

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.box import Box
from core.decode_process import COMMAND, Crash, WorkerProcess
from core.errors import AppError, DecoderError, ImageError
from core.images import Limits, check_length, open_upright, thumbnail
from core.preprocess import Preprocessing
from core.steps import Around, unwatched

REST_SECONDS = 60.0
"""A decoder that has had nothing to do for so long ends; another starts in a fifth of a second."""
_MAX_THUMBNAIL_BYTES = 1_000_000
_JPEG_MAGIC = b"\xff\xd8\xff"


@dataclass(frozen=True, slots=True)
class Picture:
    """What is left of a file once it is decoded."""

    pixels: NDArray[np.uint8]
    """(size, size, 3), as its Preprocessing made them."""
    thumbnail: bytes
    """JPEG, longest side 256; of the part, where a part was asked for."""
    width: int
    height: int
    """Of the file's picture, upright."""


class Decoder(Protocol):
    """Bytes in, prepared pixels out; safe to call from several threads."""

    def decode(self, data: bytes, preprocessing: Preprocessing, box: Box | None = None) -> Picture:
        """Of the whole picture, or of the part in `box`. ImageError if the bytes are at fault,
        AppError if they are not."""
        ...

    def close(self) -> None:
        """Release what is held; idempotent."""
        ...


class InlineDecoder:
    """Decodes in this process: for tests and small tools, and inside the workers."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def decode(self, data: bytes, preprocessing: Preprocessing, box: Box | None = None) -> Picture:
        """See Decoder."""
        # Twice the target leaves the last resize something to average.
        enough = max(512, 2 * preprocessing.size)
        picture, width, height = open_upright(
            data, self._limits, enough=box.enough(enough) if box else enough
        )
        if box:
            picture = box.crop(picture)
        return Picture(np.array(preprocessing(picture)), thumbnail(picture), width, height)

    def close(self) -> None:
        """See Decoder."""


class DecoderPool:
    """Decodes in up to `workers` processes of its own, started when they are first needed and ended
    when they are not for long."""

    def __init__(
        self,
        limits: Limits,
        workers: int,
        timeout_seconds: float = 60,
        max_memory_bytes: int = 4 << 30,
        *,
        rest_seconds: float = REST_SECONDS,
        command: Sequence[str] = COMMAND,
        around: Around = unwatched,
    ) -> None:
        """`command` starts a worker; tests put a misbehaving one in its place."""
        self._around = around
        self._limits = limits
        self._most = workers
        self._timeout_seconds = timeout_seconds
        settings = asdict(limits) | {
            "timeout_seconds": timeout_seconds,
            "max_memory_bytes": max_memory_bytes,
        }
        self._command = [*command, json.dumps(settings)]
        self._changed = threading.Condition()
        self._alive: set[WorkerProcess] = set()
        self._idle: list[tuple[float, WorkerProcess]] = []
        """Since when, and who; the last one to rest is the first to work."""
        self._rest_seconds = rest_seconds
        self._reaping = False
        self._closed = False
        self._closing = threading.Event()

    def decode(self, data: bytes, preprocessing: Preprocessing, box: Box | None = None) -> Picture:
        """See Decoder. Waits for a worker as long as it takes; the time limit starts then."""
        check_length(data, self._limits)
        try:
            return self._decode(data, preprocessing, box)
        except Crash:
            pass  # perhaps no fault of the picture: once more, in a fresh process
        try:
            return self._decode(data, preprocessing, box)
        except Crash as crash:
            if crash.from_outside:
                raise DecoderError(
                    f"The decoder was ended from outside ({crash}). Is there memory left?"
                ) from None
            raise ImageError(f"made the decoder crash ({crash})") from None

    def _decode(self, data: bytes, preprocessing: Preprocessing, box: Box | None) -> Picture:
        worker = self._take()
        pixel_bytes = preprocessing.size**2 * 3
        try:
            worker.greet()
            with self._around("decode", 1):  # without the wait for a worker
                header, payload = worker.ask(
                    {"preprocessing": str(preprocessing), "box": box},
                    data,
                    max_bytes=pixel_bytes + _MAX_THUMBNAIL_BYTES,
                    timeout_seconds=self._timeout_seconds,
                )
            return _checked(header, payload, preprocessing, self._limits)
        except ValueError:
            worker.end()
            raise ImageError("made the decoder answer nonsense") from None
        except (AppError, Crash):
            if self._closed and worker.ended:
                raise _closing() from None
            raise
        finally:
            self._put_back(worker)

    def close(self) -> None:
        """Kill the workers, busy ones too; they are gone when this returns."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._closing.set()
            workers, idle = list(self._alive), [worker for _, worker in self._idle]
            self._idle = []
        for worker in workers:
            worker.kill()
        for worker in idle:  # the others belong to the threads that are asking them
            worker.end()

    def _take(self) -> WorkerProcess:
        with self._changed:
            while not self._closed:
                while self._idle:
                    _, worker = self._idle.pop()
                    if not worker.ended:
                        return worker
                    worker.end()  # died at rest, of no picture
                    self._alive.remove(worker)
                if len(self._alive) < self._most:
                    worker = WorkerProcess(self._command)
                    self._alive.add(worker)
                    return worker
                self._changed.wait()
            raise _closing()

    def _put_back(self, worker: WorkerProcess) -> None:
        with self._changed:
            if self._closed:
                worker.end()
            if worker.ended:
                self._alive.discard(worker)
            else:
                self._idle.append((time.monotonic(), worker))
                if not self._reaping:
                    self._reaping = True
                    threading.Thread(target=self._reap, name="reaper", daemon=True).start()
            self._changed.notify()

    def _reap(self) -> None:
        """End those that rest for long; until none is left."""
        while not self._closing.wait(self._rest_seconds / 4):
            with self._changed:
                due = time.monotonic() - self._rest_seconds
                tired = [worker for since, worker in self._idle if since <= due]
                self._idle = [one for one in self._idle if one[0] > due]
                self._alive.difference_update(tired)
                for worker in tired:
                    worker.end()
                if not self._alive:
                    self._reaping = False
                    return


def _checked(
    header: dict[str, object], payload: bytes, preprocessing: Preprocessing, limits: Limits
) -> Picture:
    """What a worker says, believed only as far as it can be checked; ValueError beyond that.

    ImageError is its verdict on the picture.
    """
    if isinstance(reason := header.get("error"), str):
        raise ImageError("".join(c for c in reason if c.isprintable())[:300] or "is damaged")
    width, height = header.get("width"), header.get("height")
    if type(width) is not int or type(height) is not int or min(width, height) < 1:
        raise ValueError("no size")
    if width * height > limits.max_megapixels * 1e6:
        raise ValueError("too large")
    side = preprocessing.size
    pixels = np.frombuffer(payload, np.uint8, side * side * 3).reshape(side, side, 3)
    small = payload[pixels.size :]
    if not small.startswith(_JPEG_MAGIC) or len(small) > _MAX_THUMBNAIL_BYTES:
        raise ValueError("no thumbnail")
    return Picture(pixels.copy(), small, width, height)


def _closing() -> AppError:
    return AppError("The decoder is shutting down.")
