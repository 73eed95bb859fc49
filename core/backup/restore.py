"""Restoring: all of a backup is written beside the index that answers, then takes over."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import uuid4

from core.backup import ROWS, THUMBNAILS, BackupError, Progress
from core.backup.reader import BackupReader
from core.errors import StoreError
from core.records import ImageRecord
from core.stores import Catalogue, Database

_ROWS_AT_ONCE = 4_096
_THUMBNAILS_AT_ONCE = 1_000


@dataclass
class Restored:
    """What was done, and how long it took."""

    replaced: int = 0
    """Rows of the index that was there before."""
    seconds: dict[str, float] = field(default_factory=dict)


def restore(
    database: Database, backup: BackupReader, *, replace: bool, progress: Progress
) -> Restored:
    """Make the backup the index that answers. The caller has the right to write.

    A killed one leaves the old index answering; the next restore, or the next start of the daemon,
    deletes what it wrote.
    """
    done = Restored()
    before = database.catalogue()
    if before is not None:
        done.replaced = database.vectors(before.serving).count()
        if done.replaced and not replace:
            raise BackupError(
                f"The index in {database.address} has {done.replaced} rows. To put the backup "
                "in its place, say --replace; it goes on answering until all is restored."
            )
    _timed(done, "check", lambda: backup.check(progress))
    database.sweep()
    manifest = backup.manifest
    edition = uuid4().hex[:8]
    store = database.vectors(manifest.embedder, manifest.dim, edition=edition)

    def thumbnails() -> None:
        total, count = manifest.parts[THUMBNAILS].rows, 0
        waiting: dict[str, bytes] = {}
        for some in backup.thumbnails():
            waiting |= some
            if len(waiting) >= _THUMBNAILS_AT_ONCE:
                store.add_thumbnails(waiting)
                count += len(waiting)
                waiting = {}
                progress("Restoring thumbnails", count, total)
        store.add_thumbnails(waiting)
        progress("Restoring thumbnails", total, total)

    def rows() -> None:
        total, count = manifest.parts[ROWS].rows, 0
        waiting: list[ImageRecord] = []
        for piece in backup.rows():
            waiting += piece
            if len(waiting) >= _ROWS_AT_ONCE:
                store.upsert(waiting)
                count += len(waiting)
                waiting = []
                progress("Restoring rows", count, total)
        store.upsert(waiting)
        progress("Restoring rows", total, total)
        if (found := store.count()) != total:
            raise StoreError(f"{found} rows were restored, expected {total}. Please try again.")

    _timed(done, "thumbnails", thumbnails)
    _timed(done, "rows", rows)
    _timed(done, "upkeep", store.maintain)
    database.write_catalogue(Catalogue(manifest.index, manifest.embedder, edition=edition))
    database.sweep()
    return done


def _timed(done: Restored, name: str, act: Callable[[], object]) -> None:
    begun = time.perf_counter()
    act()
    done.seconds[name] = round(time.perf_counter() - begun, 3)
