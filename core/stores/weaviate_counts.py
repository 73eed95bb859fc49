"""How many rows a collection and its roots have."""

from collections.abc import Iterator
from contextlib import contextmanager

from core.stores.weaviate_client import Filters, GroupByAggregate, Rows
from core.stores.weaviate_collection import WeaviateCollection
from core.stores.weaviate_servers import LIST_SECONDS

_MOST_ROOTS = 10_000


def count(collection: WeaviateCollection, where: Filters | None = None) -> int:
    """Rows that match. At once without a filter; with one the server reads them all."""

    def act(rows: Rows) -> int:
        return rows.aggregate.over_all(filters=where, total_count=True).total_count or 0

    if where is None:  # of this the servers themselves take what most of them have
        return collection.read(act, 0)
    return max(collection.answers(act, seconds=LIST_SECONDS), default=0)


class RootCounts:
    """Rows by root; the one writer remembers them.

    To group, the server reads every row: 0.8 s at 100,000. The whole is counted in 2 ms, and where
    one root only was written to since the last time, the difference is its own.
    """

    def __init__(self, collection: WeaviateCollection, *, alone: bool) -> None:
        """`alone`: nobody but this process writes."""
        self._collection = collection
        self._alone = alone
        self._known: dict[str, int] | None = None
        self._changed: set[str] = set()

    @contextmanager
    def changing(self, roots: set[str]) -> Iterator[None]:
        """Rows of these roots are being written or deleted, by the only one who may."""
        self._changed |= roots
        try:
            yield
        except BaseException:
            self._known = None  # perhaps we are not the only one any more
            raise

    def read(self) -> dict[str, int]:
        """Name of every root that has rows -> how many."""
        if not self._alone:
            return self._grouped()
        total = count(self._collection)
        known = dict(self._known or {})
        if self._known is not None and len(self._changed) == 1:
            (root,) = self._changed
            known[root] = known.get(root, 0) + total - sum(known.values())
        if self._known is None or sum(known.values()) != total:
            known = self._grouped()
        # What servers count by root and in all may differ for a while: then it is counted anew.
        self._known = known if sum(known.values()) == total else None
        self._changed = set()
        return {root: rows for root, rows in known.items() if rows}

    def _grouped(self) -> dict[str, int]:
        def act(rows: Rows) -> dict[str, int]:
            by_root = GroupByAggregate(prop="root", limit=_MOST_ROOTS)
            groups = rows.aggregate.over_all(group_by=by_root, total_count=True).groups
            return {str(group.grouped_by.value): group.total_count or 0 for group in groups}

        most: dict[str, int] = {}
        for groups in self._collection.answers(act, seconds=LIST_SECONDS):
            most |= {root: max(rows, most.get(root, 0)) for root, rows in groups.items()}
        return most
