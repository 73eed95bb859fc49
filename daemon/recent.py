"""Vectors of rows lately deleted or overwritten: a file moved out and back, two that change places
and a restored backup cost no embedding.

Not a record of what is indexed: it may be lost at any time, which costs work and nothing else.
"""

import logging
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

import numpy as np

from core.errors import AppError
from core.index import ImageIndex
from core.records import Place, Vector

logger = logging.getLogger(__name__)

KEEP_SECONDS = 30 * 24 * 3600
MAX_BYTES = 1 << 30

_SCHEMA = """
CREATE TABLE IF NOT EXISTS recent (
    embedder TEXT, digest TEXT, deleted_seconds REAL, vector BLOB, thumbnail BLOB,
    PRIMARY KEY (embedder, digest)
) WITHOUT ROWID
"""


class RecentlyDeleted:
    """Vector and thumbnail by embedder and content, 30 days, at most 1 GiB. Used by one thread."""

    def __init__(
        self,
        file: Path,
        *,
        clock: Callable[[], float] = time.time,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._clock = clock
        self._max_bytes = max_bytes
        try:
            self._database = self._open(file)
        except sqlite3.OperationalError as error:
            raise AppError(
                f"{file} cannot be used: {error}. Check the free space and the permissions."
            ) from None
        except sqlite3.DatabaseError:  # damaged: start again, that is what it is for
            file.unlink(missing_ok=True)
            self._database = self._open(file)

    @staticmethod
    def _open(file: Path) -> sqlite3.Connection:
        database = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=OFF")  # a power cut may cost it
        database.execute(_SCHEMA)
        return database

    def keep(self, embedder: str, rows: Iterable[tuple[str, Vector, bytes | None]]) -> None:
        """Remember (digest, vector, thumbnail)."""
        now = self._clock()
        try:
            self._database.executemany(
                "INSERT OR REPLACE INTO recent VALUES (?, ?, ?, ?, ?)",
                ((embedder, digest, now, v.tobytes(), thumb) for digest, v, thumb in rows),
            )
        except sqlite3.DatabaseError as error:  # costs an embedding if they come back, no more
            logger.warning("The vectors of deleted rows cannot be kept: %s", error)

    def keep_rows(self, index: ImageIndex, places: Collection[Place]) -> None:
        """Remember the rows of these places, which are about to be deleted or overwritten."""
        if not places:
            return
        rows = index.store.get([place.id for place in places]).values()
        thumbnails = index.store.thumbnails({row.digest for row in rows})
        self.keep(index.name, ((r.digest, r.vector, thumbnails.get(r.digest)) for r in rows))

    def find(self, embedder: str, digests: Sequence[str]) -> dict[str, tuple[Vector, bytes | None]]:
        """What is remembered of these contents."""
        marks = ",".join("?" * len(digests))
        query = (
            f"SELECT digest, vector, thumbnail FROM recent WHERE embedder=? AND digest IN ({marks})"
        )
        try:
            rows = self._database.execute(query, (embedder, *digests)).fetchall()
        except sqlite3.DatabaseError as error:  # it may be lost at any time, so also now
            logger.warning("The vectors of deleted rows cannot be read: %s", error)
            return {}
        return {digest: (np.frombuffer(v, np.float32), thumb) for digest, v, thumb in rows}

    def prune(self) -> None:
        """Forget what is too old or too much."""
        self._database.execute(
            "DELETE FROM recent WHERE deleted_seconds < ?", (self._clock() - KEEP_SECONDS,)
        )
        while (excess := self._size_bytes() - self._max_bytes) > 0:
            rows = max(1, excess // 16384)
            self._database.execute(
                "DELETE FROM recent WHERE (embedder, digest) IN "
                "(SELECT embedder, digest FROM recent ORDER BY deleted_seconds LIMIT ?)",
                (rows,),
            )

    def _size_bytes(self) -> int:
        query = "SELECT total(length(vector) + coalesce(length(thumbnail), 0)) FROM recent"
        return int(self._database.execute(query).fetchone()[0])

    def forget(self) -> None:
        """Empty it: a person asked that pictures be forgotten."""
        self._database.execute("DELETE FROM recent")
        self._database.execute("VACUUM")

    def close(self) -> None:
        """Idempotent."""
        self._database.close()
