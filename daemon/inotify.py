"""What the Linux kernel tells of changes: inotify, through ctypes.

Thin: it knows calls and records; what they mean is the watcher's business.
"""

import ctypes
import errno
import os
import struct
from typing import NamedTuple

IN_MODIFY = 0x0002
IN_ATTRIB = 0x0004
IN_CLOSE_WRITE = 0x0008
IN_MOVED_FROM = 0x0040
IN_MOVED_TO = 0x0080
IN_CREATE = 0x0100
IN_DELETE = 0x0200
IN_DELETE_SELF = 0x0400
IN_MOVE_SELF = 0x0800
IN_UNMOUNT = 0x2000
IN_Q_OVERFLOW = 0x4000
IN_IGNORED = 0x8000
IN_ONLYDIR = 0x0100_0000
IN_DONT_FOLLOW = 0x0200_0000
IN_EXCL_UNLINK = 0x0400_0000
IN_ISDIR = 0x4000_0000

# Neither OPEN nor CLOSE_NOWRITE: our own reading must not wake us (it does with stock watchdog).
MASK = (
    (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)
    | (IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE)
    | (IN_DELETE_SELF | IN_MOVE_SELF)
    | (IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK)
)
LIMITS = {errno.ENOSPC, errno.ENOMEM, errno.EMFILE, errno.ENFILE}
GONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}

_READ_BYTES = 256 * 1024
_HEADER = struct.Struct("iIII")  # wd, mask, cookie, length of the name


class Record(NamedTuple):
    """One inotify_event; its cookie is left out because nothing pairs moves."""

    wd: int
    mask: int
    name: bytes


class Inotify:
    """The three system calls and read(2). Every failure is an OSError."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._add, self._remove = libc.inotify_add_watch, libc.inotify_rm_watch
        self._add.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32]
        self._remove.argtypes = [ctypes.c_int, ctypes.c_int]
        self._fd = _checked(libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))

    def fileno(self) -> int:
        """For poll(2)."""
        return self._fd

    def add(self, path: bytes) -> int:
        """The watch descriptor of the folder; the one it has if it is watched already."""
        return _checked(self._add(self._fd, path, MASK))

    def remove(self, wd: int) -> None:
        """Watch no longer; the kernel may have dropped the watch before."""
        self._remove(self._fd, wd)

    def read(self) -> list[Record]:
        """What the kernel has queued, up to a buffer full; never blocks."""
        try:
            data = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return []
        records, at = [], 0
        while at < len(data):
            wd, mask, _cookie, length = _HEADER.unpack_from(data, at)
            at += _HEADER.size
            records.append(Record(wd, mask, data[at : at + length].rstrip(b"\0")))
            at += length
        return records

    def close(self) -> None:
        """Every watch goes with it."""
        os.close(self._fd)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
