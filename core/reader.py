"""Reads one file so that nothing else can be read in its place, and never a half-written one."""

import errno
import hashlib
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from core.errors import ImageError
from core.paths import path_bytes
from core.records import FileStamp, Place, file_stamp

# A write this shortly after the read may leave every time stamp equal: kernel ticks are up to
# 10 ms; a file system that keeps whole (FAT: even) seconds gives itself away by a zero fraction.
_TICK_NS = 20_000_000
COARSEST_TICK_SECONDS = 2
_COARSE_TICK_NS = COARSEST_TICK_SECONDS * 1_000_000_000


class ChangingError(Exception):
    """The file is being written: to be tried again later."""


@dataclass(frozen=True, slots=True)
class Content:
    """A file's bytes as they were while its stamp was `stamp`."""

    place: Place
    stamp: FileStamp
    data: bytes
    digest: str
    racy: bool


def read_content(folder: Path, place: Place, stamp: FileStamp, max_megabytes: float) -> Content:
    """The bytes of the file at `place` below `folder`.

    Raises ChangingError unless the file is, before and after, what `stamp` says; ImageError if it
    is too large or empty; OSError if it cannot be read.
    """
    if stamp.size_bytes > max_megabytes * 1e6:
        raise ImageError(
            f"has {stamp.size_bytes / 1e6:.0f} MB, "
            f"more than images.max_megabytes = {max_megabytes:g}"
        )
    started_ns = time.time_ns()
    parent, name = _open_parent(folder, path_bytes(place.path))
    try:
        # O_NONBLOCK: a FIFO that took the file's place must not stop us.
        descriptor = os.open(
            name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent
        )
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            if not _is(os.fstat(descriptor), stamp):
                raise ChangingError
            data = _read_all(file.fileno(), stamp.size_bytes)
            if len(data) != stamp.size_bytes or not _is(os.fstat(descriptor), stamp):
                raise ChangingError
        if not _is(os.lstat(name, dir_fd=parent), stamp):
            raise ChangingError
    except OSError as error:
        if error.errno == errno.ELOOP:  # a symlink took its place
            raise ChangingError from None
        raise
    finally:
        os.close(parent)
    tick_ns = _TICK_NS if stamp.mtime_ns % 1_000_000_000 else _COARSE_TICK_NS
    return Content(
        place,
        stamp,
        data,
        hashlib.sha256(data).hexdigest(),
        racy=started_ns - tick_ns <= stamp.ctime_ns <= started_ns + _COARSE_TICK_NS,
    )


def _open_parent(folder: Path, relative: bytes) -> tuple[int, bytes]:
    """A descriptor of the folder that holds the file; no symlink on the way is followed."""
    *parts, name = relative.split(b"/")
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    descriptor = os.open(folder, flags)
    for part in parts:
        try:
            deeper = os.open(part, flags | os.O_NOFOLLOW, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = deeper
    return descriptor, name


def _read_all(descriptor: int, size_bytes: int) -> bytes:
    chunks = []
    missing = size_bytes + 1  # one more, to notice that the file has grown
    while missing and (chunk := os.read(descriptor, missing)):
        chunks.append(chunk)
        missing -= len(chunk)
    return b"".join(chunks)


def _is(status: os.stat_result, stamp: FileStamp) -> bool:
    return stat.S_ISREG(status.st_mode) and file_stamp(status) == stamp
