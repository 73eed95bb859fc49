"""Stamps by folder: what a scan compares, one folder at a time."""

from collections.abc import Iterable, Mapping
from typing import Protocol, runtime_checkable

from core.records import IndexedStamp, Place


@runtime_checkable
class ByFolder(Protocol):
    """Stamps that need not all be in memory at once."""

    def folders(self) -> Iterable[Place]:
        """Every folder that holds rows."""
        ...

    def inside(self, folder: Place) -> Mapping[Place, IndexedStamp]:
        """The rows directly in the folder."""
        ...


def by_folder(stamps: Mapping[Place, IndexedStamp]) -> ByFolder:
    """The stamps themselves where they know their folders."""
    return stamps if isinstance(stamps, ByFolder) else _Grouped(stamps)


class _Grouped:
    def __init__(self, stamps: Mapping[Place, IndexedStamp]) -> None:
        self._rows: dict[Place, dict[Place, IndexedStamp]] = {}
        for place, stamp in stamps.items():
            folder = Place(place.root, place.path.rpartition("/")[0])
            self._rows.setdefault(folder, {})[place] = stamp

    def folders(self) -> Iterable[Place]:
        return self._rows

    def inside(self, folder: Place) -> Mapping[Place, IndexedStamp]:
        return self._rows.get(folder, {})
