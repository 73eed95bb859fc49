"""The verb of Lookalike: make the index agree with the disk at and below some places."""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from core.index import ImageIndex
from core.records import FileStamp, IndexedStamp, Place
from core.state import Rejection
from core.stores.scopes import outermost
from daemon.holds import Holds
from daemon.ingest import Ingest
from daemon.outcome import Monitor
from daemon.plan import Scope, make_plan
from daemon.recent import RecentlyDeleted
from daemon.roots import Roots, Stamps
from daemon.scanner import Findings, Scanner

logger = logging.getLogger(__name__)

DELETE_BATCH = 256
PAUSE_SECONDS = 0.25
"""So often a long look at the disk lets more urgent work go first."""
MOST_QUERIES = 64
"""So many places are asked of the store one by one; beyond, the folders above them are."""


class SyncMonitor(Monitor, Protocol):
    """Also hears how much there is to do."""

    def planned(self, files: int) -> None:
        """So many files will be dealt with."""
        ...


@dataclass
class SyncReport:
    """What one sync did and what it left."""

    unchanged: int = 0
    written: int = 0
    embedded: int = 0
    deleted: int = 0
    found: int = 0
    """Differences between index and disk that this sync met."""
    drift: int = 0
    """How many of them nobody had announced: changes of which no event told."""
    again: list[Place] = field(default_factory=list)
    """Files that are being written: to be looked at again soon."""
    racy: list[Place] = field(default_factory=list)
    """Files read so shortly after a change that a later one may go unnoticed: to be looked at
    again once the clock of any file system has ticked."""
    failed: dict[Place, str] = field(default_factory=dict)
    """Places that could not be read, and why; their rows stay as they are."""
    suspended: dict[str, str] = field(default_factory=dict)
    """Roots left alone, and why."""
    skipped: dict[str, int] = field(default_factory=dict)
    """Files that are no pictures, by root; of complete scans only."""
    stopped: bool = False


class SyncService:
    """Keeps one ImageIndex equal to the folders of its roots."""

    def __init__(
        self,
        index: ImageIndex,
        ingest: Ingest,
        scanners: Mapping[str, Scanner],
        *,
        roots: Roots,
        holds: Holds,
        recent: RecentlyDeleted,
        rejections: dict[Place, Rejection],
        decoder_version: str,
        settle_seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.index = index
        self._ingest = ingest
        self._scanners = scanners
        self._roots = roots
        self._holds = holds
        self._recent = recent
        self._rejections = rejections
        self._decoder_version = decoder_version
        self._settle_ns = int(settle_seconds * 1e9)
        self._clock = clock
        self._held_digests: dict[str, set[Place]] = {}
        """Of what was held by this process; after a restart the first scan looks at all of it."""

    def sync(
        self,
        places: Collection[Place],
        monitor: SyncMonitor,
        *,
        settled: bool = True,
        announced: Callable[[], Collection[Place]] = tuple,
    ) -> SyncReport:
        """Look at the disk at and below `places` and make the index say the same.

        Files touched within the settle time may still be being written: they are only reported
        under `again`, unless `settled` says that the caller has waited for those that it names.
        `announced` are the places that would be looked at next anyway.
        Raises StoreError or ModelError; whatever was
        written until then stays, and the next sync goes on from there.
        """
        report = SyncReport()
        for root, scanner in self._scanners.items():
            asked = [place for place in places if place.root == root]
            if not asked:
                continue
            problem = self.root_problem(root)
            if problem is None:
                self._sync_root(
                    root, scanner, asked, monitor, report, settled=settled, announced=announced
                )
                problem = self.root_problem(root)  # it may have gone while we looked
            if problem:
                report.suspended[root] = problem
        return report

    def root_problem(self, root: str) -> str | None:
        """Why the root must be left alone; None if it is healthy."""
        return self._roots.problem(root, self._indexed(Place(root, "")))

    def _indexed(self, place: Place) -> Stamps:
        return lambda: self.index.stamps([place])

    def _sync_root(
        self,
        root: str,
        scanner: Scanner,
        places: Sequence[Place],
        monitor: SyncMonitor,
        report: SyncReport,
        *,
        settled: bool,
        announced: Callable[[], Collection[Place]],
    ) -> None:
        asked = outermost(places)
        stamps = self.index.stamps(_queries(asked))
        away = self._away(root, asked)
        findings = Findings(unknown=dict(away))
        observed: Iterable[tuple[Place, FileStamp]] = (
            pair for place in asked for pair in scanner.look(place, findings)
        )
        observed = _paced(observed, monitor)
        if away:
            observed = _outside(observed, Scope(away))
        plan = make_plan(observed, stamps, self._rejections, asked, self._decoder_version)
        self._release_present(asked, stamps, plan.absent, monitor)
        ingest = [item for item in plan.ingest if not monitor.superseded(item[0])]
        gone = [place for place in plan.absent if not monitor.superseded(place)]
        work = self._settled(ingest, set(places) if settled else set(), report)
        monitor.planned(len(work))
        report.drift += self._drift(work, gone, stamps, Scope(announced()))
        outcome = self._ingest.run(work, monitor, stamps, self._held_digests)
        # What a later sync has dealt with meanwhile is its business: our findings are older.
        rejected = {p: r for p, r in outcome.rejected.items() if not monitor.superseded(p)}
        for place, (stamp, reason) in rejected.items():
            logger.warning("Rejected %s: it %s", place, reason)
            self._rejections[place] = Rejection(stamp, reason, self._decoder_version)
        for place in outcome.written:
            if not monitor.superseded(place):
                self._rejections.pop(place, None)
        report.failed |= findings.unknown | outcome.failed
        report.again += outcome.changing
        report.racy += outcome.racy
        report.unchanged += plan.unchanged
        report.written += len(outcome.written)
        report.embedded += outcome.embedded
        report.found += len(plan.ingest) + len(plan.absent)
        if monitor.stopping():
            report.stopped = True
            return
        unknown = Scope(findings.unknown)
        absent = [place for place in plan.absent if place not in unknown]
        bad = [place for place in rejected if place in stamps]
        doubtful = [place for place in [*absent, *bad] if not monitor.superseded(place)]
        report.deleted += self._delete(root, scanner, doubtful, stamps, monitor, report)
        report.deleted += self._release_moved(outcome.found_again, monitor, report)
        self._holds.drop_without_rows(asked, stamps)
        self._forget_rejections(scanner, asked, unknown)
        if Place(root, "") in asked:
            report.skipped[root] = findings.skipped
            if not findings.unknown and self.root_problem(root) is None:
                self._holds.confirm(root)
                again = [place for place in self._holds.released if place.root == root]
                report.deleted += self._delete(root, scanner, again, stamps, monitor, report)

    def _away(self, root: str, asked: Collection[Place]) -> dict[Place, str]:
        """Of what is asked: disks below the root that are not mounted, or are others."""
        return {
            place: reason
            for place, reason in self._roots.away(root, self._indexed).items()
            if any(each.covers(place) or place.covers(each) for each in asked)
        }

    def _release_moved(self, digests: Iterable[str], monitor: Monitor, report: SyncReport) -> int:
        """What was held as lost, and is now found elsewhere, perhaps in another root, was moved."""
        moved = {place for digest in digests for place in self._held_digests.pop(digest, ())}
        deleted = 0
        for root in sorted({place.root for place in moved}):
            places = sorted(place for place in moved if place.root == root)
            stamps = self.index.stamps(_queries(places))
            deleted += self._delete(root, self._scanners[root], places, stamps, monitor, report)
        return deleted

    def _release_present(
        self,
        asked: Collection[Place],
        stamps: Mapping[Place, IndexedStamp],
        absent: Collection[Place],
        monitor: SyncMonitor,
    ) -> None:
        """What is held although its picture is there again need not be held any more."""
        within, still = Scope(asked), set(absent)
        for place in self._holds.places:
            if place not in within or place in still or place not in stamps:
                continue
            if not monitor.superseded(place):
                self._holds.seen(place)

    def _settled(
        self, work: list[tuple[Place, FileStamp]], waited_for: set[Place], report: SyncReport
    ) -> list[tuple[Place, FileStamp]]:
        now_ns = int(self._clock() * 1e9)
        settled = []
        for place, stamp in work:
            young = 0 <= now_ns - stamp.ctime_ns < self._settle_ns
            if young and place not in waited_for:
                report.again.append(place)
            else:
                settled.append((place, stamp))
        return settled

    def _drift(
        self,
        work: Collection[tuple[Place, FileStamp]],
        absent: Collection[Place],
        stamps: Mapping[Place, IndexedStamp],
        announced: Scope,
    ) -> int:
        held = set(self._holds.places)
        rows = ((place, stamp, stamps.get(place)) for place, stamp in work)
        changed = sum(
            (row is None or row.stamp != stamp) and place not in announced  # else: read too early
            for place, stamp, row in rows
        )
        return changed + sum(place not in held and place not in announced for place in absent)

    def _delete(
        self,
        root: str,
        scanner: Scanner,
        places: Sequence[Place],
        stamps: Mapping[Place, IndexedStamp],
        monitor: Monitor,
        report: SyncReport,
    ) -> int:
        """Deletions come last, on positive evidence, and only as far as nothing is held."""
        generation = self._roots.generation
        away = Scope(self._away(root, [Place(root, "")]))
        doomed = [
            place
            for place in places
            if place in stamps and place not in away and self._gone(scanner, place)
        ]
        if not doomed:
            return 0
        leaving = set(doomed)
        digests = {stamps[place].digest for place in doomed}
        alive = {
            digest
            for digest, where in self.index.store.locate(digests).items()
            if not leaving.issuperset(where)
        }
        moved = [place for place in doomed if stamps[place].digest in alive]
        content = [place for place in doomed if stamps[place].digest not in alive]
        rows = self.index.store.count([Place(root, "")])
        allowed = sorted(self._holds.admit(root, content, moved, rows))
        held = leaving.difference(allowed)
        for place in held:
            self._held_digests.setdefault(stamps[place].digest, set()).add(place)
        if held:
            logger.warning(
                "Held back %d deletions below %s: run `lookalike approve` if they are right",
                len(held),
                root,
            )
        for start in range(0, len(allowed), DELETE_BATCH):
            batch = allowed[start : start + DELETE_BATCH]
            if monitor.stopping() or self.root_problem(root):
                return start
            if self._roots.generation != generation:
                # The evidence may come from below a disk that was away for a moment.
                report.suspended[root] = f"The disks below root '{root}' have just changed."
                return start
            self._recent.keep_rows(self.index, batch)
            self.index.remove(batch)
            self._holds.deleted(root, batch, content=len(set(batch).intersection(content)))
        return len(allowed)

    def _gone(self, scanner: Scanner, place: Place) -> bool:
        """No picture is there: no file, or one that was rejected as it is now."""
        rejection = self._rejections.get(place)
        try:
            if scanner.is_absent(place):
                return True
            return rejection is not None and scanner.stamp(place) == rejection.stamp
        except OSError:
            return False

    def _forget_rejections(self, scanner: Scanner, asked: Sequence[Place], unknown: Scope) -> None:
        """Of files that are not there any more."""
        within = Scope(asked)
        for place in list(self._rejections):
            if place.root != scanner.root or place not in within or place in unknown:
                continue
            try:
                if scanner.is_absent(place):
                    del self._rejections[place]
            except OSError:
                continue


def _paced(
    observed: Iterable[tuple[Place, FileStamp]], monitor: SyncMonitor
) -> Iterator[tuple[Place, FileStamp]]:
    next_pause = time.monotonic() + PAUSE_SECONDS
    for seen in observed:
        if time.monotonic() >= next_pause:  # a million files take a while
            monitor.between()
            next_pause = time.monotonic() + PAUSE_SECONDS
        yield seen


def _outside(
    observed: Iterable[tuple[Place, FileStamp]], away: Scope
) -> Iterator[tuple[Place, FileStamp]]:
    return ((place, stamp) for place, stamp in observed if place not in away)


def _queries(places: Sequence[Place]) -> list[Place]:
    """Few places whose rows include those of all `places`: reading too many rows is cheap, asking
    many questions is not."""
    while len(places) > MOST_QUERIES:
        above = sorted({Place(place.root, place.path.rpartition("/")[0]) for place in places})
        if len(above) == len(places):
            return sorted({Place(place.root, "") for place in places})
        places = above
    return list(places)
