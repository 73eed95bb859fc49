"""Files whose bytes are known already: they get their rows without the model."""

from collections.abc import Sequence

from core.index import ImageIndex
from core.reader import Content
from core.records import ImageRecord, Vector
from daemon.recent import RecentlyDeleted
from daemon.row_writer import RowWriter
from daemon.under_way import UnderWay


def record(content: Content, vector: Vector, thumbnail: bytes | None = None) -> ImageRecord:
    """The row of a file; without a thumbnail where its bytes have one."""
    return ImageRecord(
        content.place, content.stamp, content.digest, vector, content.racy, thumbnail
    )


class Known:
    """Looks for bytes wherever they may be known: in the index, in what this run has written, in
    what was deleted lately, in what the runs around this one have under way."""

    def __init__(
        self,
        index: ImageIndex,
        recent: RecentlyDeleted,
        under_way: UnderWay,
        writer: RowWriter,
    ) -> None:
        """`writer` has what this run has embedded and not yet written."""
        self._index = index
        self._recent = recent
        self._under_way = under_way
        self._writer = writer

    def sift(self, contents: Sequence[Content]) -> tuple[list[ImageRecord], list[Content]]:
        """The rows of what is known, and what must be embedded: of equal bytes the first, the
        others wait for it."""
        met = {content.digest for content in contents}
        digests = [d for d in met if not self._under_way.is_waited_for(d)]
        vectors = self._index.store.find_vectors(digests)
        remembered = self._recent.find(self._index.name, [d for d in digests if d not in vectors])
        records, unknown = [], []
        for content in contents:
            digest = content.digest
            if digest in vectors:
                records.append(record(content, vectors[digest]))
            elif known := self._writer.fresh.get(digest):
                records.append(record(content, *known))
            elif digest in remembered:
                records.append(record(content, *remembered[digest]))
            elif known := self._under_way.around(digest):
                records.append(record(content, *known))
            elif self._under_way.wait(content):
                unknown.append(content)
        return records, unknown
