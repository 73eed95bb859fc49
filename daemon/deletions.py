"""Takes rows away: last, on positive evidence, and only as far as nothing is held."""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence

from core.index import ImageIndex
from core.records import IndexedStamp, Place
from core.state import Rejection
from core.stores.scopes import few_around
from daemon.holds import Holds
from daemon.outcome import Monitor
from daemon.plan import Scope
from daemon.recent import RecentlyDeleted
from daemon.report import SyncReport
from daemon.root_check import RootCheck
from daemon.scanner import Scanner

logger = logging.getLogger(__name__)

DELETE_BATCH = 256


class Deletions:
    """Deletes rows of one index whose pictures are gone, or holds them back."""

    def __init__(
        self,
        index: ImageIndex,
        scanners: Mapping[str, Scanner],
        *,
        check: RootCheck,
        holds: Holds,
        recent: RecentlyDeleted,
        rejections: Mapping[Place, Rejection],
    ) -> None:
        self._index = index
        self._scanners = scanners
        self._check = check
        self._holds = holds
        self._recent = recent
        self._rejections = rejections
        self.held_digests: dict[str, set[Place]] = {}
        """Of what was held by this process; after a restart the first scan looks at all of it."""

    def delete(
        self,
        root: str,
        places: Sequence[Place],
        stamps: Mapping[Place, IndexedStamp],
        monitor: Monitor,
        report: SyncReport,
    ) -> None:
        """Of these rows of one root, those whose pictures are gone and that nothing holds."""
        generation = self._check.generation
        away = Scope(self._check.away(root, [Place(root, "")]))
        doomed = [
            place for place in places if place in stamps and place not in away and self._gone(place)
        ]
        if not doomed:
            return
        digests = {place: stamps[place].digest for place in doomed}
        content = self._content(digests)
        allowed = self._admit(root, digests, content)
        for start in range(0, len(allowed), DELETE_BATCH):
            batch = allowed[start : start + DELETE_BATCH]
            if monitor.stopping() or self._check.problem(root):
                return
            if self._check.generation != generation:
                # The evidence may come from below a disk that was away for a moment.
                report.suspended[root] = f"The disks below root '{root}' have just changed."
                return
            self._recent.keep_rows(self._index, batch)
            self._index.remove(batch)
            self._holds.deleted(root, batch, content=len(content.intersection(batch)))
            report.deleted += len(batch)

    def release_moved(self, digests: Iterable[str], monitor: Monitor, report: SyncReport) -> None:
        """What was held as lost, and is now found elsewhere, perhaps in another root, was moved."""
        moved = {place for digest in digests for place in self.held_digests.pop(digest, ())}
        for root in sorted({place.root for place in moved}):
            places = sorted(place for place in moved if place.root == root)
            self.delete(root, places, self._index.stamps(few_around(places)), monitor, report)

    def release_present(
        self,
        asked: Collection[Place],
        stamps: Mapping[Place, IndexedStamp],
        absent: Collection[Place],
        monitor: Monitor,
    ) -> None:
        """What is held although its picture is there again need not be held any more."""
        within, still = Scope(asked), set(absent)
        for place in self._holds.places:
            if place not in within or place in still or place not in stamps:
                continue
            if not monitor.superseded(place):
                self._holds.seen(place)

    def _content(self, digests: Mapping[Place, str]) -> set[Place]:
        """Those of the leaving rows that would take the last row of their bytes away."""
        located = self._index.store.locate(set(digests.values()))
        moved = {d for d, where in located.items() if not digests.keys() >= set(where)}
        return {place for place, digest in digests.items() if digest not in moved}

    def _admit(self, root: str, digests: Mapping[Place, str], content: set[Place]) -> list[Place]:
        moved = digests.keys() - content
        rows = self._index.store.count([Place(root, "")])
        allowed = self._holds.admit(root, content, moved, rows)
        held = digests.keys() - allowed
        for place in held:
            self.held_digests.setdefault(digests[place], set()).add(place)
        if held:
            logger.warning(
                "Held back %d deletions below %s: run `lookalike approve` if they are right",
                len(held),
                root,
            )
        return sorted(allowed)

    def _gone(self, place: Place) -> bool:
        """No picture is there: no file, or one that was rejected as it is now."""
        scanner, rejection = self._scanners[place.root], self._rejections.get(place)
        try:
            if scanner.is_absent(place):
                return True
            return rejection is not None and scanner.stamp(place) == rejection.stamp
        except OSError:
            return False
