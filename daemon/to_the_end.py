"""What the engine does piece by piece, done to its end, as people who wait for it ask."""

import time
from collections.abc import Collection

from core.records import Place
from daemon.engine import Engine
from daemon.job import Listener
from daemon.sync import SyncReport

LONGEST_SETTLE_SECONDS = 30
MOST_BUILD_PASSES = 20


def sync_to_the_end(engine: Engine, places: Collection[Place], listener: Listener) -> SyncReport:
    """Also waits for files that are just being written."""
    started = time.monotonic()
    deadline = started + LONGEST_SETTLE_SECONDS
    report = engine.sync(places, settled=False, listener=listener, urgent=list)
    while report.again and time.monotonic() < deadline and not engine.stop.is_set():
        engine.stop.wait(min(1.0, engine.config.watch.settle_seconds / 4))
        later = engine.sync(report.again, settled=False, listener=listener, urgent=list)
        report.again = later.again
        report.failed |= later.failed
        report.suspended |= later.suspended
        for count in ("written", "embedded", "deleted", "unchanged"):
            setattr(report, count, getattr(report, count) + getattr(later, count))
    if set(engine.everything) <= set(places) and not report.stopped:
        engine.board.scanned(report.drift, time.monotonic() - started)
    return report


def build_to_the_end(engine: Engine, listener: Listener) -> None:
    """What cannot be finished is left to the next time."""
    for _ in range(MOST_BUILD_PASSES):
        if engine.build(listener, list) or engine.stop.wait(0.2):
            return
