"""What tells one folder from another in its place, across mounts, without writing anything."""

import hashlib
import os
import random
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from core.paths import path_bytes
from core.records import IndexedStamp, Place

SAMPLE_FILES = 64


class NoMarkerError(Exception):
    """The marker file that is asked for is not there."""


class Identity(NamedTuple):
    """What stays equal across mounts; device numbers and mount ids do not."""

    file_system: int
    """The file system's own id; 0 where it has none."""
    inode: int
    """Of the folder."""
    marker: str | None
    """SHA-256 of the marker file, if one is asked for."""


def identity_of(folder: Path, marker: str | None = None) -> tuple[Identity, int]:
    """The identity, and the device number, which changes with every mount.

    OSError if the folder cannot be read; NoMarkerError.
    """
    status = folder.stat()
    file_system = os.statvfs(folder).f_fsid
    if file_system == _from_device(status.st_dev):
        file_system = 0
    digest = _digest(folder / marker) if marker else None
    return Identity(file_system, status.st_ino, digest), status.st_dev


def agrees(folder: Path, indexed: Mapping[Place, IndexedStamp], share: float) -> bool:
    """Whether files of a sample are below the root's folder, with equal size and digest: this
    share of them, and at least one."""
    sample = random.sample(list(indexed), min(SAMPLE_FILES, len(indexed)))
    enough = max(1, share * len(sample))
    agreeing = 0
    for place in sample:
        agreeing += _same(folder, place, indexed[place])
        if agreeing >= enough:
            return True
    return False


def _same(folder: Path, place: Place, known: IndexedStamp) -> bool:
    file = os.path.join(os.fsencode(folder), path_bytes(place.path))
    try:
        if os.lstat(file).st_size != known.stamp.size_bytes:
            return False
        with open(file, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == known.digest
    except OSError:
        return False


def _digest(marker: Path) -> str:
    try:
        return hashlib.sha256(marker.read_bytes()).hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        raise NoMarkerError from None


def _from_device(device: int) -> int:
    """The id that file systems without one of their own (xfs, vfat, exfat, f2fs) make up from the
    device number: Linux's huge_encode_dev."""
    major, minor = os.major(device), os.minor(device)
    return (minor & 0xFF) | (major << 8) | ((minor & ~0xFF) << 12)
