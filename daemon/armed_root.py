"""One root from its first watch until it is lost: kernel events in, hints out."""

import logging
import os
import select
import time
from dataclasses import dataclass, field
from pathlib import Path

from daemon.inotify import (
    IN_ATTRIB,
    IN_CLOSE_WRITE,
    IN_DELETE,
    IN_DELETE_SELF,
    IN_IGNORED,
    IN_ISDIR,
    IN_MOVE_SELF,
    IN_MOVED_FROM,
    IN_MOVED_TO,
    IN_Q_OVERFLOW,
    IN_UNMOUNT,
    LIMITS,
    Record,
)
from daemon.losses import Losses, Lost
from daemon.mounts import Mounts
from daemon.signals import Ignored, SafeSink, Trouble
from daemon.watched_tree import WatchedTree

logger = logging.getLogger(__name__)

VISITS_PER_TURN = 256
"""So many folders are armed before the events are read again, lest the kernel's queue overflow
while a million folders are being armed."""
CHECK_SECONDS = 1.0
RETRY_WATCHES_SECONDS = 600.0
"""Folders for which the system had no watch left are tried again after so long."""


@dataclass
class _Walk:
    """Arming the folders at and below `top`, of which `todo` are left."""

    top: bytes
    settled: bool = False
    todo: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.todo.append(self.top)


@dataclass
class _Batch:
    """What one read brought: a file written in a thousand pieces is one hint."""

    hints: dict[bytes, bool] = field(default_factory=dict)
    troubles: dict[Trouble, str] = field(default_factory=dict)


def identity(path: Path) -> tuple[int, int]:
    """What tells the folder at this path from another one put in its place."""
    status = path.stat()
    return status.st_dev, status.st_ino


class ArmedRoot:
    """Reads the events of a root and keeps its watches in step with the disk. Owns no thread."""

    def __init__(
        self,
        root: str,
        path: Path,
        sink: SafeSink,
        ignored: Ignored,
        canary: Path | None = None,
    ) -> None:
        """Watches nothing yet: the first turns do. Lost: the root is missing, or a limit."""
        self.complete = False
        """Every folder is watched, as far as the system lets us."""
        self.heard_seconds: float | None = None
        """When an event of the canary's folder last arrived, or could have for the first time; None
        without a canary. Monotonic."""
        self._root = root
        self._losses = Losses(root)
        self._path = path
        self._sink = sink
        self._ignored = ignored
        self._walks = [_Walk(b"")]
        self._limit_told = False
        self._retry_watches_at = 0.0
        self._check_at = time.monotonic() + CHECK_SECONDS
        try:
            # Before the watch: if the folder is replaced between the two, the next check sees it.
            self._identity = identity(path)
            top = os.fsencode(path.resolve())
        except OSError as error:
            raise self._losses.gone(error) from None
        try:
            self._tree = WatchedTree(top, lambda folder: self._is_ignored(folder, is_dir=True))
        except OSError as error:
            raise self._losses.limit(b"", error) from None
        self._canary = self._tree.add_canary(canary) if canary else None
        if self._canary is not None:
            self.heard_seconds = time.monotonic()
        self._poll = select.poll()
        self._poll.register(self._tree.fileno(), select.POLLIN)
        self._mounts: Mounts | None = None
        try:
            self._mounts = Mounts(top)
            self._poll.register(self._mounts.fileno(), select.POLLPRI | select.POLLERR)
        except OSError:  # no /proc: the check of the root every second must do
            logger.info("/proc/self/mountinfo cannot be read; mounts are noticed later")

    @property
    def watches(self) -> int:
        """Folders watched."""
        return len(self._tree)

    @property
    def unwatched(self) -> int:
        """Folders for which the system had no watch left."""
        return self._tree.unwatched

    def turn(self, timeout_seconds: float) -> None:
        """Wait for events at most so long, read, hint, and arm some folders. Raises Lost."""
        self._read(0.0 if self._walks else timeout_seconds)
        for _ in range(VISITS_PER_TURN):
            if not self._walks:
                return
            walk = self._walks[-1]  # the newest first: it is small, the first arming may be long
            if walk.todo:
                self._visit(walk)
                continue
            self._walks.pop()
            if walk.top or self.complete:
                self._sink.hint(self._root, walk.top, settled=walk.settled)
            else:
                self.complete = True

    def close(self) -> None:
        """Give up every watch."""
        self._tree.close()
        if self._mounts:
            self._mounts.close()

    def _visit(self, walk: _Walk) -> None:
        path = walk.todo.pop()
        try:
            walk.todo += self._tree.visit(path)
        except OSError as error:
            limit = error.errno in LIMITS
            raise (self._losses.limit(path, error) if limit else self._losses.gone(error)) from None
        if self._tree.refusal and not self._limit_told:
            self._limit_told = True
            self._retry_watches_at = time.monotonic() + RETRY_WATCHES_SECONDS
            detail = str(self._losses.limit(*self._tree.refusal))
            self._sink.trouble(self._root, Trouble.WATCH_LIMIT, detail)

    def _read(self, timeout_seconds: float) -> None:
        ready = {fd for fd, _ in self._poll.poll(timeout_seconds * 1000)}
        mounts_changed = self._mounts is not None and self._mounts.fileno() in ready
        now = time.monotonic()
        if mounts_changed or now >= self._check_at:
            self._check_at = now + CHECK_SECONDS
            self._check_root()
        if self._tree.unwatched and now >= self._retry_watches_at:
            self._retry_watches_at = now + RETRY_WATCHES_SECONDS
            self._walks.append(_Walk(b""))
        batch = _Batch()
        for record in self._tree.read():
            self._apply(record, batch)
        if mounts_changed:
            self._follow_mounts(batch)
        for trouble, detail in batch.troubles.items():
            self._sink.trouble(self._root, trouble, detail)
        for path, settled in batch.hints.items():
            self._sink.hint(self._root, path, settled=settled)

    def _follow_mounts(self, batch: _Batch) -> None:
        assert self._mounts is not None
        mounted, unmounted = self._mounts.changed()
        for path in mounted | unmounted:
            above = path.rpartition(b"/")[0]
            if self._tree.watches(above) and not self._is_ignored(path, is_dir=True):
                self._walks.append(_Walk(path))
                if path in unmounted:
                    batch.troubles.setdefault(Trouble.UNMOUNT, self._losses.unmounted(path))

    def _apply(self, record: Record, batch: _Batch) -> None:
        tree = self._tree
        wd, mask, name = record
        if mask & IN_Q_OVERFLOW:
            batch.troubles[Trouble.OVERFLOW] = self._losses.overflow()
            self._walks = [_Walk(b"")]  # folders may have come and gone unseen, too
            return
        if wd == self._canary:
            self.heard_seconds = time.monotonic()
            return
        folder = tree.path_of(wd)
        if folder is None:  # given up while the record waited (watchdog dies of this: #117, #701)
            return
        if mask & IN_UNMOUNT:
            if not folder:
                raise Lost(Trouble.UNMOUNT, self._losses.unmounted(folder))
            if self._mounts is None:  # else they tell which disk it is, not which folder of it
                batch.troubles.setdefault(Trouble.UNMOUNT, self._losses.unmounted(folder))
        if mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT):
            if not folder:
                raise self._losses.gone()
            if mask & IN_IGNORED:
                tree.forget(wd)
            return  # the folder above tells the rest
        if not name:
            if not folder:
                batch.hints[b""] = False
            return
        path = folder + b"/" + name if folder else name
        is_dir = bool(mask & IN_ISDIR)
        if self._is_ignored(path, is_dir=is_dir):
            return
        if not is_dir:
            batch.hints[path] = bool(mask & (IN_CLOSE_WRITE | IN_MOVED_TO))
        elif mask & (IN_DELETE | IN_MOVED_FROM):
            tree.drop(path)  # else its events would go on arriving, under a name it has no more
            batch.hints[path] = False
        elif mask & IN_ATTRIB and tree.watches(path):
            batch.hints[path] = False
        else:  # hinted after the walk: what appears in a folder before its watch is seen then
            self._walks.append(_Walk(path, settled=bool(mask & IN_MOVED_TO)))

    def _check_root(self) -> None:
        try:
            found = identity(self._path)
        except OSError as error:
            raise self._losses.gone(error) from None
        if found != self._identity:
            raise self._losses.changed()

    def _is_ignored(self, path: bytes, *, is_dir: bool) -> bool:
        return self._ignored(self._root, path, is_dir)
