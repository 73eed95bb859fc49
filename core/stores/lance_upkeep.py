"""What a Lance table needs now and then: compaction, clean-up, a vector index."""

import logging
from datetime import timedelta

from core.stores.lance_tables import Table, vector_index

_log = logging.getLogger(__name__)

_SPARED = timedelta(minutes=5)
"""Age from which clean-up deletes versions. A reader works on the version it began with: with
versions of a minute spared no reader failed, with none spared they met missing files."""

_COMMITS_WHEN_QUIET = 64
_COMMITS_AT_MOST = 128
"""Every commit leaves a fragment, and every fragment costs each upsert about 0.1 ms."""

_INDEX = "vector_idx"
_STALE_SHARE = 0.1
_INDEX_PARTS_AT_MOST = 10
"""Each compaction adds a part for the new rows, which Lance never merges: 0.6 ms a search, and a
fragment that stays apart."""


class Upkeep:
    """Keeps one table in shape; knows what it has done so far."""

    def __init__(self, *, index_from: int) -> None:
        self._index_from = index_from
        self._compacted_version = 0

    def after_write(self, table: Table) -> None:
        """Compact if it can wait no longer: a long first scan knows no quiet times."""
        if self._commits(table) >= _COMMITS_AT_MOST:
            self._index(table)  # else a first scan of days would be searched row by row
            if self._commits(table) >= _COMMITS_AT_MOST:
                self._compact(table)

    def when_quiet(self, table: Table) -> None:
        """Whatever is due."""
        self._index(table)
        commits = self._commits(table)
        # Without a commit there is nothing to compact, so what is old can go at no cost.
        if commits >= _COMMITS_WHEN_QUIET or (commits == 0 and len(table.list_versions()) > 1):
            self._compact(table)

    def _index(self, table: Table) -> None:
        rows = table.count_rows()
        stats = table.index_stats(_INDEX)
        if rows < self._index_from:
            return
        if (
            stats is None
            or stats.num_indices > _INDEX_PARTS_AT_MOST
            or stats.num_unindexed_rows > stats.num_indexed_rows  # its partitions no longer fit
        ):
            self.rebuild(table)
        elif stats.num_unindexed_rows > _STALE_SHARE * rows:
            self._compact(table)

    def rebuild(self, table: Table) -> None:
        """Make the vector index anew. Readers go on with the old one until the commit."""
        _log.info("building the vector index of %d rows", table.count_rows())
        dim = table.schema.field("vector").type.list_size
        table.create_index("vector", config=vector_index(dim), replace=True)
        self._compact(table)

    def _compact(self, table: Table) -> None:
        # Merges fragments, takes new rows into the index, deletes old versions.
        table.optimize(cleanup_older_than=_SPARED)
        self._compacted_version = table.version

    def _commits(self, table: Table) -> int:
        # A process that has just begun counts all there ever were, and finds little to do.
        return int(table.version) - self._compacted_version
