"""The nouns that cross seams: places, stamps, records, hits and matches."""

import os
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, NewType
from uuid import UUID, uuid5

import numpy as np
from numpy.typing import NDArray

ImageId = NewType("ImageId", str)
Vector = NDArray[np.float32]
"""(dim,) float32, finite, unit length."""

NAMESPACE = UUID("6f0f7a52-2a0e-5a51-9d7c-6c6f6f6b616c")
"""Namespace of image ids. Changing it orphans every row of every index ever made."""


class Place(NamedTuple):
    """Where a file or a folder is: a root's name and the path text below it ("" = the root)."""

    root: str
    path: str

    @property
    def id(self) -> ImageId:
        """The id of the row of the file at this place; independent of the model."""
        return ImageId(str(uuid5(NAMESPACE, f"{self.root}/{self.path}")))

    @property
    def parent(self) -> "Place":
        """The folder that it is in."""
        return Place(self.root, self.path.rpartition("/")[0])

    def covers(self, other: "Place") -> bool:
        """Whether `other` is at or below this place."""
        if self.root != other.root:
            return False
        return not self.path or other.path == self.path or other.path.startswith(self.path + "/")

    def __str__(self) -> str:
        return f"{self.root}/{self.path}" if self.path else self.root


class FileStamp(NamedTuple):
    """What lstat says of a file; compared for equality only, never "newer than"."""

    size_bytes: int
    mtime_ns: int
    ctime_ns: int
    inode: int


def file_stamp(status: os.stat_result) -> FileStamp:
    """The part of an lstat that tells one content of a file from another."""
    return FileStamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


class IndexedStamp(NamedTuple):
    """What the index holds of a file besides its vector."""

    stamp: FileStamp
    digest: str
    """SHA-256 of the bytes that were embedded, 64 hex digits."""
    racy: bool
    """The file was so young when it was read that a later write may have left `stamp` equal."""


@dataclass(frozen=True)
class ImageRecord:
    """One row of the index."""

    place: Place
    stamp: FileStamp
    digest: str
    vector: Vector
    racy: bool = False
    thumbnail: bytes | None = None
    """JPEG, longest side 256; stored by digest. None leaves the one that is stored alone."""

    @cached_property
    def id(self) -> ImageId:
        """See Place.id."""
        return self.place.id


class Hit(NamedTuple):
    """One row found by a store."""

    place: Place
    digest: str
    distance: float
    """Cosine distance, 0 = identical, in [0, 2], rounded to 6 places."""


@dataclass(frozen=True, slots=True)
class Match:
    """One picture found: the first of its places in order, the others under `copies`."""

    id: ImageId
    place: Place
    digest: str
    distance: float
    copies: tuple[Place, ...] = ()
