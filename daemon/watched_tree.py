"""The folders of a root that the kernel watches for us, under the names they have now."""

import os
from collections.abc import Callable
from pathlib import Path

from daemon.inotify import GONE, LIMITS, Inotify

_UNREADABLE, _NONE_LEFT = -1, -2
"""In place of a watch descriptor. What cannot be read hides from the scan, too, and says ATTRIB to
the folder above it when it can."""


class _Folder:
    """A folder of the tree: its path is spelt by its parents, so nothing goes stale in a move."""

    __slots__ = ("children", "name", "parent", "wd")

    def __init__(self, name: bytes, parent: "_Folder | None", wd: int) -> None:
        self.name = name
        self.parent = parent
        self.wd = wd
        self.children: dict[bytes, _Folder] = {}

    @property
    def path(self) -> bytes:
        names: list[bytes] = []
        folder = self
        while folder.parent is not None:
            names.append(folder.name)
            folder = folder.parent
        return b"/".join(reversed(names))


class WatchedTree:
    """The watched folders of one root, under the names they have now."""

    def __init__(self, top: bytes, skip: Callable[[bytes], bool]) -> None:
        """`skip` says which folders (relative paths) stay unwatched. OSError: no instance left."""
        self.unwatched = 0
        """Folders for which the system had no watch left."""
        self.refusal: tuple[bytes, OSError] | None = None
        """The first of them."""
        self._top = top
        self._skip = skip
        self._folder: _Folder | None = None
        self._by_wd: dict[int, _Folder] = {}
        self._inotify = Inotify()
        self.fileno = self._inotify.fileno
        self.read = self._inotify.read
        self.close = self._inotify.close

    def __len__(self) -> int:
        return len(self._by_wd)

    def add_canary(self, folder: Path) -> int | None:
        """Watch a folder that is no part of the tree; its descriptor, or None if it cannot be."""
        try:
            return self._inotify.add(os.fsencode(folder))
        except OSError:
            return None

    def path_of(self, wd: int) -> bytes | None:
        """The folder's path relative to the top; None for a watch that was given up."""
        folder = self._by_wd.get(wd)
        return None if folder is None else folder.path

    def watches(self, path: bytes) -> bool:
        """Whether there is a watch on this folder."""
        folder = self._find(path)
        return folder is not None and folder.wd >= 0

    def visit(self, path: bytes) -> list[bytes]:
        """Make the watches of one folder agree with the disk; returns the folders to visit next.

        Watches first and lists after, so that nothing appears unseen between the two. OSError: the
        top cannot be watched, or a limit lets no folder be listed.
        """
        above, _, name = path.rpartition(b"/")
        parent = self._find(above) if path else None
        # A parent that left the tree may be a symlink by now, which would lead us out of the root.
        if path and parent is None:
            return []
        full = self._top + b"/" + path
        try:
            wd = self._inotify.add(full)
        except OSError as error:
            if not path:
                raise
            if error.errno in GONE:
                self.drop(path)
                return []
            wd = _UNREADABLE
            if error.errno in LIMITS:
                wd = _NONE_LEFT
                self.refusal = self.refusal or (path, error)
        folder = self._label(name, parent, wd)
        if folder is None:
            return []
        try:
            with os.scandir(full) as entries:
                names = {entry.name for entry in entries if entry.is_dir(follow_symlinks=False)}
        except OSError as error:
            if error.errno in LIMITS:
                raise
            return []  # gone again, or unreadable: the scan says so to the user
        for gone in folder.children.keys() - names:
            self._drop(folder.children[gone])
        below = [path + b"/" + name if path else name for name in names]
        return [folder for folder in below if not self._skip(folder)]

    def drop(self, path: bytes) -> None:
        """Give up the watches at and below this path: it was moved away or deleted."""
        if folder := self._find(path):
            self._drop(folder)

    def forget(self, wd: int) -> None:
        """The kernel has dropped this watch."""
        if folder := self._by_wd.pop(wd, None):
            self._drop(folder)

    def _find(self, path: bytes) -> _Folder | None:
        folder = self._folder
        for name in path.split(b"/") if path else ():
            if folder is None:
                return None
            folder = folder.children.get(name)
        return folder

    def _label(self, name: bytes, parent: _Folder | None, wd: int) -> _Folder | None:
        known = parent.children.get(name) if parent else self._folder
        if known is not None:
            if known.wd == wd:
                return known
            self._drop(known)
        # inotify has one descriptor per folder: seen under a second name, it was moved, and the
        # first name is stale. But a folder mounted again below itself stays what it was.
        other = self._by_wd.get(wd)
        if other is not None:
            above = parent
            while above is not None:
                if above is other:
                    return None
                above = above.parent
            del self._by_wd[wd]  # first, so that the drop spares the watch itself
            self._drop(other)
        folder = _Folder(name, parent, wd)
        if parent is None:
            self._folder = folder
        else:
            parent.children[name] = folder
        if wd >= 0:
            self._by_wd[wd] = folder
        self.unwatched += wd == _NONE_LEFT
        return folder

    def _drop(self, folder: _Folder) -> None:
        if folder.parent is None:
            self._folder = None
        else:
            folder.parent.children.pop(folder.name, None)
        below = [folder]
        while below:
            folder = below.pop()
            below.extend(folder.children.values())
            self.unwatched -= folder.wd == _NONE_LEFT
            if self._by_wd.pop(folder.wd, None) is not None:
                self._inotify.remove(folder.wd)
