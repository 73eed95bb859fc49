"""Files that we own: replaced in one step, locked by one process."""

import contextlib
import fcntl
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from core.errors import AppError


def write_json(file: Path, document: Any, *, durable: bool = False) -> None:
    """Replace `file` atomically: a reader sees the old document or the new, never a part.

    `durable` also waits until it would survive a power cut.
    """
    descriptor, temporary = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(document, stream, ensure_ascii=False)
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)  # bot and web may run as other users
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_json(file: Path) -> Any:
    """The document in `file`; None where there is none or it is damaged."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


class FileLock:
    """Held by one process; released by the kernel when that process dies, however it dies."""

    def __init__(self, file: Path, refusal: str) -> None:
        """`refusal` is the sentence for whoever comes second; "{pid}" names the holder."""
        self._file = file
        self._refusal = refusal
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """AppError with the refusal if another process holds it."""
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise AppError(
                f"{self._file} cannot be written: {error.strerror}. "
                "Check the folder's owner, its permissions and the free space."
            ) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise AppError(self._refusal.format(pid=holder)) from None
        self._descriptor = descriptor
        with contextlib.suppress(OSError):  # a full disk: then the holder has no name
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Idempotent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def keep(self) -> None:
        """Held by whatever program this process becomes (exec), until that ends."""
        if self._descriptor is not None:
            os.set_inheritable(self._descriptor, True)  # noqa: FBT003 - os's signature
            self._descriptor = None
