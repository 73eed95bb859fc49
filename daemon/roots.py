"""Whether a root is the folder we know: nothing is deleted below one that is not."""

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from core.files import read_json, write_json
from core.paths import path_bytes
from core.records import IndexedStamp, Place

SAMPLE_FILES = 64
SAMPLE_AGAIN_SECONDS = 30
AGREEING_SHARE = 0.9
"""A restored or relocated root may lack a few files; another disk lacks nearly all of them."""


class Roots:
    """Knows every root again, by file system, inode and a sample of its files."""

    def __init__(
        self,
        folders: Mapping[str, Path],
        file: Path,
        *,
        steady_clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folders = dict(folders)
        self._file = file
        self._steady_clock = steady_clock
        self._refused: dict[str, tuple[list[int], float]] = {}
        """Root -> the identity that was refused last, and until when it is not sampled again."""
        document = read_json(file)
        self._known: dict[str, Any] = document if isinstance(document, dict) else {}

    def problem(self, root: str, stamps: Callable[[], Mapping[Place, IndexedStamp]]) -> str | None:
        """Why the root must be left alone, as a sentence; None if it is healthy.

        `stamps` is called only for a root that has changed its identity: it must agree with what
        is indexed of it.
        """
        folder = self.folders[root]
        try:
            identity = _identity(folder)
            with os.scandir(folder) as entries:
                next(entries, None)
        except OSError as error:
            return (
                f"The folder of root '{root}', {folder}, cannot be read ({error.strerror}); "
                "its pictures stay indexed as they were."
            )
        if self._known.get(root) == identity:
            self._refused.pop(root, None)
            return None
        refused, until = self._refused.get(root, ([], 0.0))
        if refused != identity or self._steady_clock() >= until:
            indexed = stamps()
            if not indexed or _agrees(folder, indexed):
                self.adopt(root)
                return None
            self._refused[root] = (identity, self._steady_clock() + SAMPLE_AGAIN_SECONDS)
        return (
            f"The folder of root '{root}', {folder}, is not the one that was indexed: another "
            f"disk, or none, is mounted there. If it is right so, run: lookalike adopt {root}"
        )

    def adopt(self, root: str) -> None:
        """From now on the folder is the root, whatever was there before."""
        self._known[root] = _identity(self.folders[root])
        self._refused.pop(root, None)
        write_json(self._file, self._known, durable=True)


def _identity(folder: Path) -> list[int]:
    """What stays equal across mounts; device numbers and mount ids do not."""
    return [os.statvfs(folder).f_fsid, folder.stat().st_ino]


def _agrees(folder: Path, indexed: Mapping[Place, IndexedStamp]) -> bool:
    """Whether a sample of the known files is there, with equal size and digest."""
    sample = sorted(indexed, key=lambda place: place.id)[:SAMPLE_FILES]  # ids are hashes: random
    agreeing = sum(_same(folder, place, indexed[place]) for place in sample)
    return agreeing >= max(1, AGREEING_SHARE * len(sample))


def _same(folder: Path, place: Place, known: IndexedStamp) -> bool:
    file = os.path.join(os.fsencode(folder), path_bytes(place.path))
    try:
        if os.lstat(file).st_size != known.stamp.size_bytes:
            return False
        with open(file, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == known.digest
    except OSError:
        return False
