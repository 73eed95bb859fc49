"""Rows on their way into the index: collected, written many at once, and never over newer ones."""

import time
from collections.abc import Iterable, Mapping

from core.index import ImageIndex
from core.records import ImageRecord, IndexedStamp, Place, Vector
from daemon.outcome import Monitor, Outcome
from daemon.recent import RecentlyDeleted

WRITE_ROWS = 256
WRITE_SECONDS = 1.0
"""Whichever comes first: a model seldom fills so many rows in a second, moved files do."""


class RowWriter:
    """One run's."""

    def __init__(
        self,
        index: ImageIndex,
        recent: RecentlyDeleted,
        monitor: Monitor,
        outcome: Outcome,
        stamps: Mapping[Place, IndexedStamp],
        looked_for: Mapping[str, object],
    ) -> None:
        """`outcome` is told what was written; `stamps` and `looked_for` are those of Ingest.run."""
        self._index = index
        self._recent = recent
        self._monitor = monitor
        self._outcome = outcome
        self._stamps = stamps
        self._looked_for = looked_for
        self._rows: list[ImageRecord] = []
        self._written = time.monotonic()
        self.fresh: dict[str, tuple[Vector, bytes]] = {}
        """Vector and thumbnail of what was embedded and is not in the store yet, by digest."""

    def write(self, records: list[ImageRecord]) -> None:
        """Collect rows, and write them when there are enough: a write costs nearly the same for
        one row as for many."""
        self._rows += records
        if len(self._rows) >= WRITE_ROWS or time.monotonic() - self._written >= WRITE_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what there is."""
        rows = [row for row in self._rows if not self._monitor.superseded(row.place)]
        self._recent.keep_rows(self._index, self._overwritten(rows))
        self._index.add(rows)
        # What was overtaken may have been overtaken by a look that did not see it: a disk that was
        # away for a moment.
        self._keep(self.fresh.keys() - {row.digest for row in rows})
        self._outcome.written += [row.place for row in rows]
        self._outcome.found_again |= {r.digest for r in rows if r.digest in self._looked_for}
        self._outcome.racy += [row.place for row in rows if row.racy]
        files, self._rows, self.fresh = len(self._rows), [], {}
        self._monitor.finished(files)
        # After the write: what is urgent then finds these vectors, and overwrites what is older.
        self._monitor.between()
        self._written = time.monotonic()

    def remember(self) -> None:
        """The store has failed: what was embedded and is not written needs no second time."""
        self._keep(self.fresh.keys())

    def _keep(self, digests: Iterable[str]) -> None:
        self._recent.keep(self._index.name, ((digest, *self.fresh[digest]) for digest in digests))

    def _overwritten(self, rows: list[ImageRecord]) -> list[Place]:
        """Their bytes may be elsewhere by now, or come back: files change places."""
        were = ((row, self._stamps.get(row.place)) for row in rows)
        return [row.place for row, was in were if was and was.digest != row.digest]
