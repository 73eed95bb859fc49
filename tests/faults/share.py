"""A share as of a file server: a folder seen through FUSE, read-only, with faults on demand.

`python share.py FOLDER MOUNTPOINT CONTROL [fold]` mounts the folder and serves it until it is
killed. Changes made in the folder bring no events, as on any network. CONTROL, where it exists,
holds the number of an error and the share of requests that end in it: `5 0.01`. With `fold`, names
are listed decomposed (NFD) and found in any case and any normalisation, as on a Mac.

Speaks the kernel's protocol itself (see fuse.h of Linux, 7.31), because no library is at hand.
"""

import ctypes
import errno
import os
import random
import stat
import struct
import sys
import unicodedata
from collections.abc import Callable, Iterator

_HEADER = struct.Struct("IIQQIIIHH")  # length, opcode, unique, node, uid, gid, pid, ...
_REPLY = struct.Struct("IiQ")  # length, -errno, unique
_ATTRIBUTES = struct.Struct("QQQQQQIIIIIIIIII")
_READ = struct.Struct("QQI")  # handle, offset, size
_DIRENT = struct.Struct("QQII")  # inode, next offset, length of the name, type
_MOST_BYTES = 1 << 17
_FORGET, _BATCH_FORGET = 2, 42  # want no reply
_LOOKUP, _GETATTR, _OPEN, _READ_FILE, _STATFS, _RELEASE, _INIT, _OPENDIR, _READDIR, _RELEASEDIR = (
    1, 3, 14, 15, 17, 18, 26, 27, 28, 29,
)  # fmt: skip


class Share:
    """Answers the kernel's requests from a folder."""

    def __init__(self, folder: bytes, control: bytes, *, fold: bool) -> None:
        self._control = control
        self._fold = fold
        self._paths = {1: folder}  # by node: the backing file's inode number, but 1 for the top
        self._listings: dict[int, list[tuple[bytes, int, int]]] = {}
        self._answers: dict[int, Callable[[int, bytes], bytes]] = {
            _INIT: lambda *_: struct.pack(
                "IIIIHHIIHHI28x", 7, 31, _MOST_BYTES, 0, 12, 9, _MOST_BYTES, 1, 32, 0, 0
            ),
            _LOOKUP: lambda node, data: self._look_up(node, data.rstrip(b"\0")),
            _GETATTR: lambda node, _: struct.pack("QII", 0, 0, 0) + self._attributes(node),
            _OPEN: lambda node, _: self._opened(os.open(self._paths[node], os.O_RDONLY)),
            _OPENDIR: lambda node, _: self._open_folder(node),
            _READ_FILE: self._read,
            _READDIR: self._list,
            _RELEASE: lambda _, data: os.close(_READ.unpack_from(data)[0]) or b"",
            _RELEASEDIR: lambda _, data: self._listings.pop(_READ.unpack_from(data)[0]) and b"",
            _STATFS: lambda *_: struct.pack("QQQQQIIII24x", 9, 9, 9, 9, 9, 4096, 255, 4096, 0),
        }

    def answer(self, opcode: int, node: int, data: bytes) -> bytes:
        """The body of the reply; OSError is the error to reply with."""
        if opcode not in self._answers:
            raise OSError(errno.ENOSYS, "")
        if opcode not in (_INIT, _RELEASE, _RELEASEDIR) and (number := self._fault()):
            raise OSError(number, "")
        return self._answers[opcode](node, data)

    def _fault(self) -> int:
        try:
            with open(self._control, encoding="ascii") as file:
                number, share = file.read().split()
        except (FileNotFoundError, ValueError):
            return 0
        return int(number) if random.random() < float(share) else 0

    def _look_up(self, node: int, name: bytes) -> bytes:
        folder = self._paths[node]
        if self._fold:
            wanted = _folded(name)
            name = next((each for each in os.listdir(folder) if _folded(each) == wanted), name)
        path = os.path.join(folder, name)
        child = os.lstat(path).st_ino
        self._paths[child] = path
        return struct.pack("QQQQII", child, 0, 0, 0, 0, 0) + self._attributes(child)

    def _attributes(self, node: int) -> bytes:
        status = os.lstat(self._paths[node])
        times = [status.st_atime_ns, status.st_mtime_ns, status.st_ctime_ns]
        return _ATTRIBUTES.pack(
            *(node, status.st_size, status.st_blocks),
            *(ns // 10**9 for ns in times),
            *(ns % 10**9 for ns in times),
            *(status.st_mode, status.st_nlink, status.st_uid, status.st_gid, 0, 4096, 0),
        )

    def _opened(self, handle: int) -> bytes:
        return struct.pack("QIi", handle, 0, 0)

    def _open_folder(self, node: int) -> bytes:
        with os.scandir(self._paths[node]) as entries:
            found = [
                (
                    _decomposed(entry.name) if self._fold else entry.name,
                    entry.inode(),
                    stat.S_IFMT(entry.stat(follow_symlinks=False).st_mode) >> 12,
                )
                for entry in entries
            ]
        handle = max(self._listings, default=0) + 1
        self._listings[handle] = found
        return self._opened(handle)

    def _read(self, _node: int, data: bytes) -> bytes:
        handle, offset, size = _READ.unpack_from(data)
        return os.pread(handle, size, offset)

    def _list(self, _node: int, data: bytes) -> bytes:
        handle, offset, size = _READ.unpack_from(data)
        reply = b""
        for at, (name, inode, kind) in enumerate(self._listings[handle][offset:], offset + 1):
            entry = _DIRENT.pack(inode, at, len(name), kind) + name
            entry += b"\0" * (-len(entry) % 8)
            if len(reply) + len(entry) > size:
                break
            reply += entry
        return reply


def _decomposed(name: bytes) -> bytes:
    return os.fsencode(unicodedata.normalize("NFD", os.fsdecode(name)))


def _folded(name: bytes) -> bytes:
    return os.fsencode(unicodedata.normalize("NFD", os.fsdecode(name).casefold()))


def _requests(device: int) -> Iterator[tuple[int, int, int, bytes]]:
    while True:
        try:
            data = os.read(device, _MOST_BYTES + 4096)
        except InterruptedError:
            continue
        except OSError as error:
            if error.errno == errno.ENOENT:  # the request was taken back
                continue
            return  # ENODEV: unmounted
        _, opcode, unique, node, *_ = _HEADER.unpack_from(data)
        yield opcode, unique, node, data[_HEADER.size :]


def main(folder: str, mountpoint: str, control: str, *options: str) -> None:
    """Mount, say so on stdout, and serve."""
    device = os.open("/dev/fuse", os.O_RDWR)
    settings = f"fd={device},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}"
    libc = ctypes.CDLL(None, use_errno=True)
    nosuid_nodev = 2 | 4
    target = os.fsencode(mountpoint)
    if libc.mount(b"share", target, b"fuse.share", nosuid_nodev, settings.encode()):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    sys.stdout.write("mounted\n")
    sys.stdout.flush()
    share = Share(os.fsencode(folder), os.fsencode(control), fold="fold" in options)
    for opcode, unique, node, data in _requests(device):
        if opcode in (_FORGET, _BATCH_FORGET):
            continue
        try:
            body, number = share.answer(opcode, node, data), 0
        except OSError as error:
            body, number = b"", error.errno or errno.EIO
        try:
            os.write(device, _REPLY.pack(_REPLY.size + len(body), -number, unique) + body)
        except OSError as error:
            if error.errno != errno.ENOENT:  # nobody waits for it any more
                raise


if __name__ == "__main__":
    main(*sys.argv[1:])
