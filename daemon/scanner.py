"""What is on the disk: a walk that tells "absent" from "could not be seen"."""

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from core.candidates import Candidates
from core.paths import path_bytes, path_text
from core.records import FileStamp, Place, file_stamp
from core.stores.stamps import Numbers
from daemon.spelling import lstat_as_spelt

# Only these say that a path is not there. EACCES, EIO, ESTALE and the rest say that we cannot know.
ABSENT = {errno.ENOENT, errno.ENOTDIR}

MOST_FILES = 1000
"""So many files are told at once: others may have their turn in between."""


class Listing(NamedTuple):
    """Candidates seen directly in one folder, in path text; a large folder has several."""

    folder: Place
    files: list[tuple[str, Numbers]]


@dataclass
class Findings:
    """What a walk noticed beside the candidates."""

    unknown: dict[Place, str] = field(default_factory=dict)
    """Places that could not be seen, and why: nothing at or below them may be called absent."""
    skipped: int = 0
    """Regular files, not ignored, without a picture's suffix."""
    folders: int = 0
    """Folders that were listed, the first one among them."""


class Scanner:
    """Looks at one root; follows no symlink, opens no file."""

    def __init__(self, root: str, folder: Path, candidates: Candidates) -> None:
        self.root = root
        self.folder = folder
        self._base = os.fsencode(folder)
        self._candidates = candidates

    def look(self, place: Place, findings: Findings) -> Iterator[Listing]:
        """Every candidate at and below `place`."""
        relative = path_bytes(place.path)
        try:
            status = self._lstat_beneath(relative)
        except OSError as error:
            if error.errno not in ABSENT:
                findings.unknown[place] = str(error.strerror)
            return
        if relative and self._below_ignored(relative, is_dir=stat.S_ISDIR(status.st_mode)):
            return
        if stat.S_ISDIR(status.st_mode):
            yield from self._walk(relative, findings)
        elif stat.S_ISREG(status.st_mode):
            if self._candidates.has_suffix(relative):
                yield Listing(place.parent, [(place.path, file_stamp(status))])
            else:
                findings.skipped += 1

    def is_absent(self, place: Place) -> bool:
        """Positive evidence that no candidate is at `place`; OSError if it cannot be known."""
        relative = path_bytes(place.path)
        try:
            status = self._lstat_beneath(relative)
        except OSError as error:
            if error.errno in ABSENT:
                return True
            raise
        return not stat.S_ISREG(status.st_mode) or not self._candidates.wanted(relative)

    def stamp(self, place: Place) -> FileStamp:
        """Of the file at `place` as it is now; OSError if there is none or it cannot be known."""
        return file_stamp(self._lstat_beneath(path_bytes(place.path)))

    def _lstat_beneath(self, relative: bytes) -> os.stat_result:
        """lstat, where a symlink in place of a folder on the way counts as "not there", and so does
        a name that the file system takes for another one."""
        path = self._base
        if not relative:
            return os.stat(path)  # the root itself may be a link: the user named it
        parts = [part for part in relative.split(b"/") if part]
        for part in parts[:-1]:
            path = os.path.join(path, part)
            if not stat.S_ISDIR(lstat_as_spelt(path).st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        return lstat_as_spelt(os.path.join(path, parts[-1]))

    def _below_ignored(self, relative: bytes, *, is_dir: bool) -> bool:
        parts = relative.split(b"/")
        return any(
            self._candidates.ignored(b"/".join(parts[:depth]), is_dir=is_dir or depth < len(parts))
            for depth in range(1, len(parts) + 1)
        )

    def _walk(self, top: bytes, findings: Findings) -> Iterator[Listing]:
        folders = [top]  # a list, not recursion: a tree may be deeper than Python's stack
        while folders:
            folder = folders.pop()
            place = Place(self.root, path_text(folder))
            try:
                entries = os.scandir(os.path.join(self._base, folder))
            except OSError as error:
                if error.errno not in ABSENT:
                    findings.unknown[place] = str(error.strerror)
                continue
            findings.folders += 1
            with entries:
                try:
                    yield from self._list(folder, place, entries, folders, findings)
                except OSError as error:  # the listing broke off: what follows is unknown
                    findings.unknown[place] = str(error.strerror)

    def _list(
        self,
        folder: bytes,
        place: Place,
        entries: Iterable[os.DirEntry[bytes]],
        folders: list[bytes],
        findings: Findings,
    ) -> Iterator[Listing]:
        """The candidates among the entries; the folders among them are added to `folders`."""
        prefix, text_prefix = (folder + b"/", place.path + "/") if folder else (b"", "")
        plain, ignored = self._candidates.plain, self._candidates.ignored
        files: list[tuple[str, Numbers]] = []
        for entry in entries:
            name = entry.name
            try:
                if plain(name) and entry.is_file(follow_symlinks=False):
                    text = name.decode("ascii")
                elif entry.is_dir(follow_symlinks=False):
                    if not ignored(prefix + name, is_dir=True):
                        folders.append(prefix + name)
                    continue
                elif not entry.is_file(follow_symlinks=False) or ignored(
                    prefix + name, is_dir=False
                ):
                    continue
                elif self._candidates.has_suffix(name):
                    text = path_text(name)
                else:
                    findings.skipped += 1
                    continue
                seen = entry.stat(follow_symlinks=False)
                stamp = seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino
                files.append((text_prefix + text, stamp))
            except OSError as error:
                if error.errno not in ABSENT:
                    findings.unknown[Place(self.root, text_prefix + path_text(name))] = str(
                        error.strerror
                    )
            if len(files) >= MOST_FILES:
                yield Listing(place, files)
                files = []
        if files:
            yield Listing(place, files)
