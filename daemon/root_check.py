"""Are the roots, and the disks below them, those whose files are indexed?"""

from collections.abc import Collection

from core.index import ImageIndex
from core.records import Place
from daemon.roots import Roots, Stamps


class RootCheck:
    """Roots asked together with the index, whose rows a root that has changed must agree with."""

    def __init__(self, roots: Roots, index: ImageIndex) -> None:
        self._roots = roots
        self._index = index

    @property
    def generation(self) -> int:
        """See Roots.generation."""
        return self._roots.generation

    def problem(self, root: str) -> str | None:
        """Why the root must be left alone; None if it is healthy."""
        return self._roots.problem(root, self._indexed(Place(root, "")))

    def away(self, root: str, asked: Collection[Place]) -> dict[Place, str]:
        """Of what is asked: disks below the root that are not mounted, or are others."""
        return {
            place: reason
            for place, reason in self._roots.away(root, self._indexed).items()
            if any(each.covers(place) or place.covers(each) for each in asked)
        }

    def _indexed(self, place: Place) -> Stamps:
        return lambda: self._index.stamps([place])
