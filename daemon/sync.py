"""The verb of Lookalike: make the index agree with the disk at and below some places."""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Protocol

from core.index import ImageIndex
from core.records import FileStamp, IndexedStamp, Place
from core.state import Rejection
from core.stores.scopes import few_around, outermost
from daemon.deletions import Deletions
from daemon.holds import Holds
from daemon.ingest import Ingest
from daemon.outcome import Monitor
from daemon.plan import Scope, make_plan
from daemon.recent import RecentlyDeleted
from daemon.report import SyncReport
from daemon.root_check import RootCheck
from daemon.roots import Roots
from daemon.scanner import Findings, Listing, Scanner

__all__ = ["SyncMonitor", "SyncReport", "SyncService"]

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 0.25
"""So often a long look at the disk lets more urgent work go first."""


class SyncMonitor(Monitor, Protocol):
    """Also hears how much there is to do."""

    def planned(self, root: str, files: int) -> None:
        """So many files of the root will be dealt with."""
        ...


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
        self._check = RootCheck(roots, index)
        self._holds = holds
        self._rejections = rejections
        self._decoder_version = decoder_version
        self._settle_ns = int(settle_seconds * 1e9)
        self._clock = clock
        self._deletions = Deletions(
            index,
            scanners,
            check=self._check,
            holds=holds,
            recent=recent,
            rejections=rejections,
        )

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
        return self._check.problem(root)

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
        stamps = self.index.stamps(few_around(asked))
        away = self._check.away(root, asked)
        findings = Findings(unknown=dict(away))
        observed: Iterable[Listing] = chain.from_iterable(
            scanner.look(place, findings) for place in asked
        )
        observed = _paced(observed, monitor)
        if away:
            observed = _outside(observed, Scope(away))
        plan = make_plan(observed, stamps, self._rejections, asked, self._decoder_version)
        self._deletions.release_present(asked, stamps, plan.absent, monitor)
        ingest = [item for item in plan.ingest if not monitor.superseded(item[0])]
        gone = [place for place in plan.absent if not monitor.superseded(place)]
        work = self._settled(ingest, set(places) if settled else set(), report)
        monitor.planned(root, len(work))
        report.drift += self._drift(work, gone, stamps, Scope(announced()))
        outcome = self._ingest.run(work, monitor, stamps, self._deletions.held_digests)
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
        self._deletions.delete(root, doubtful, stamps, monitor, report)
        self._deletions.release_moved(outcome.found_again, monitor, report)
        self._holds.drop_without_rows(asked, stamps)
        self._forget_rejections(scanner, asked, unknown)
        if Place(root, "") in asked:
            report.skipped[root] = findings.skipped
            if not findings.unknown and self.root_problem(root) is None:
                self._holds.confirm(root)
                again = [place for place in self._holds.released if place.root == root]
                self._deletions.delete(root, again, stamps, monitor, report)

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


def _paced(observed: Iterable[Listing], monitor: SyncMonitor) -> Iterator[Listing]:
    next_pause = time.monotonic() + PAUSE_SECONDS
    for seen in observed:
        if time.monotonic() >= next_pause:  # a million files take a while
            monitor.between()
            next_pause = time.monotonic() + PAUSE_SECONDS
        yield seen


def _outside(observed: Iterable[Listing], away: Scope) -> Iterator[Listing]:
    for folder, files in observed:
        yield Listing(folder, [seen for seen in files if Place(folder.root, seen[0]) not in away])
