"""Stamps by folder: what a scan compares, one folder at a time."""

from collections.abc import Iterable, Mapping
from typing import Protocol, runtime_checkable

from core.records import IndexedStamp, Place

Numbers = tuple[int, int, int, int]
"""A FileStamp that is none yet: to make one takes longer than all else of a comparison, and nearly
all of a million files have not changed."""


@runtime_checkable
class ByFolder(Protocol):
    """Stamps that need not all be in memory at once."""

    def folders(self) -> Iterable[Place]:
        """Every folder that holds rows."""
        ...

    def inside(self, folder: Place) -> Mapping[Place, IndexedStamp]:
        """The rows directly in the folder."""
        ...

    def numbers(self, folder: Place) -> dict[str, Numbers | None]:
        """The same by path text, as much as a scan compares: the stamp, or None if it is racy.
        The caller's to keep."""
        ...


def numbers_of(rows: Mapping[Place, IndexedStamp]) -> dict[str, Numbers | None]:
    """See ByFolder.numbers."""
    return {place.path: None if row.racy else row.stamp for place, row in rows.items()}


def by_folder(stamps: Mapping[Place, IndexedStamp]) -> ByFolder:
    """The stamps themselves where they know their folders."""
    return stamps if isinstance(stamps, ByFolder) else _Grouped(stamps)


class _Grouped:
    def __init__(self, stamps: Mapping[Place, IndexedStamp]) -> None:
        self._rows: dict[Place, dict[Place, IndexedStamp]] = {}
        for place, stamp in stamps.items():
            self._rows.setdefault(place.parent, {})[place] = stamp

    def folders(self) -> Iterable[Place]:
        return self._rows

    def inside(self, folder: Place) -> Mapping[Place, IndexedStamp]:
        return self._rows.get(folder, {})

    def numbers(self, folder: Place) -> dict[str, Numbers | None]:
        return numbers_of(self.inside(folder))
