"""What is mounted where, and the moment it changes: Linux's /proc/self/mountinfo."""

import io
import os
import re
import select
from typing import NamedTuple

_OCTAL = re.compile(rb"\\([0-7]{3})")
# Their changes are made elsewhere, too, and no kernel tells us of those. fuseblk is left out: a
# disk of this machine behind a FUSE driver.
_SHARED = re.compile(
    r"nfs\d*|cifs|smb\w*|9p|fuse(\..+)?|virtiofs|vboxsf|prl_fs|vmhgfs|afs|ceph|lustre|gpfs|beegfs"
    r"|ncpfs|coda|orangefs|gfs2|ocfs2|davfs"
)


class Mount(NamedTuple):
    """One line of the table."""

    id: bytes
    """Unique while it is mounted; may be given to another mount afterwards."""
    path: bytes
    kind: str
    """Type of the file system: ext4, nfs4, fuse.sshfs."""

    @property
    def shared(self) -> bool:
        """Whether other machines or a driver may change files there without a word to us."""
        return _SHARED.fullmatch(self.kind) is not None


class MountTable:
    """Becomes ready (POLLPRI, POLLERR) when any mount changes, which inotify does not tell: a mount
    over a watched folder, an `umount -l` with a file still open."""

    def __init__(self) -> None:
        """OSError without /proc."""
        self._file = io.FileIO("/proc/self/mountinfo")
        self.fileno = self._file.fileno
        self.close = self._file.close
        self._poll = select.poll()
        self._poll.register(self._file, select.POLLPRI | select.POLLERR)

    def changed(self) -> bool:
        """Whether any mount has changed since the last call; never waits."""
        return self.wait(0)

    def wait(self, seconds: float) -> bool:
        """Until any mount has changed since the last call, at most so long; whether it has."""
        return bool(self._poll.poll(seconds * 1000))

    def read(self) -> list[Mount]:
        """Every mount, those on top of others after them."""
        self._file.seek(0)
        mounts = []
        for line in self._file.readall().splitlines():
            fields = line.split(b" ")
            path = _OCTAL.sub(lambda match: bytes([int(match[1], 8)]), fields[4])
            # Between the path and the "-" stands any number of optional fields.
            kind = fields[fields.index(b"-", 6) + 1]
            mounts.append(Mount(fields[0], path, os.fsdecode(kind)))
        return mounts


def holding(mounts: list[Mount], path: bytes) -> Mount | None:
    """The mount on which `path` (absolute, no links) lies."""
    above = [m for m in mounts if (path + b"/").startswith(m.path.rstrip(b"/") + b"/")]
    return max(reversed(above), key=lambda mount: len(mount.path), default=None)


def below(mounts: list[Mount], top: bytes) -> list[tuple[bytes, Mount]]:
    """The mounts below a folder, each with its path relative to it."""
    prefix = top.rstrip(b"/") + b"/"
    inside = [mount for mount in mounts if mount.path.startswith(prefix) and mount.path != prefix]
    return [(mount.path.removeprefix(prefix), mount) for mount in inside]


class Mounts:
    """The mounts below a folder, and what becomes of them."""

    def __init__(self, top: bytes) -> None:
        """OSError without /proc."""
        self._top = top
        self._table = MountTable()
        self.fileno = self._table.fileno
        self.close = self._table.close
        self._known = self._read()

    def changed(self) -> tuple[set[bytes], set[bytes]]:
        """Relative paths of what was mounted, and of what was unmounted, since the last call."""
        before, self._known = self._known, self._read()
        mounted, unmounted = self._known - before, before - self._known
        return {path for path, _ in mounted}, {path for path, _ in unmounted}

    def _read(self) -> set[tuple[bytes, bytes]]:
        return {(path, mount.id) for path, mount in below(self._table.read(), self._top)}
