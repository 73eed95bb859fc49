"""The pipeline from files to rows: read, recognise, decode, embed, write; no stage waits idly."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np

from core.decoder import Decoder, Picture
from core.errors import DecoderError, ImageError, ModelError, StoreError
from core.index import ImageIndex
from core.reader import ChangingError, Content, read_content
from core.records import FileStamp, ImageRecord, IndexedStamp, Place, Vector
from daemon.ahead import in_groups, map_ahead
from daemon.known import Known, record
from daemon.outcome import Monitor, Outcome
from daemon.recent import RecentlyDeleted
from daemon.row_writer import RowWriter
from daemon.under_way import Batch, UnderWay

Decoded = Picture | ImageError | DecoderError

READ_AHEAD_BYTES = 64 << 20
LOOK_UP = 256
LOOK_UP_BYTES = 32 << 20
"""Files asked of the store at once whether their bytes are known: one query for all of them."""


class Ingest:
    """Brings files into one index."""

    def __init__(
        self,
        index: ImageIndex,
        decoder: Decoder,
        folders: Mapping[str, Path],
        recent: RecentlyDeleted,
        *,
        max_megabytes: float,
        workers: int,
    ) -> None:
        self._index = index
        self._decoder = decoder
        self._folders = folders
        self._recent = recent
        self._max_megabytes = max_megabytes
        self._workers = workers
        self._runs: list[UnderWay] = []
        """Of the runs that go on, each started by the one before it, between two of its batches."""

    def run(
        self,
        work: Iterable[tuple[Place, FileStamp]],
        monitor: Monitor,
        stamps: Mapping[Place, IndexedStamp],
        looked_for: Mapping[str, object],
    ) -> Outcome:
        """Read, embed and write these files; `stamps` are the rows that there are of them, the keys
        of `looked_for` are digests to report if met.
        StoreError and ModelError end the run; one bad file never does."""
        outcome, under_way = Outcome(), UnderWay(list(self._runs))
        writer = RowWriter(self._index, self._recent, monitor, outcome, stamps, looked_for)
        self._runs.append(under_way)
        try:
            return _Run(self, work, monitor, outcome, writer, under_way).run()
        finally:
            self._runs.pop()


class _Run:
    """The state of one Ingest.run."""

    def __init__(
        self,
        ingest: Ingest,
        work: Iterable[tuple[Place, FileStamp]],
        monitor: Monitor,
        outcome: Outcome,
        writer: RowWriter,
        under_way: UnderWay,
    ) -> None:
        self._parts = ingest
        self._work = work
        self._monitor = monitor
        self._outcome = outcome
        self._writer = writer
        self._under_way = under_way
        self._known = Known(ingest._index, ingest._recent, under_way, writer)

    def run(self) -> Outcome:
        """To the end, or until it is to stop."""
        parts = self._parts
        batch_size, streams = parts._index.embedder.batch_size, parts._index.embedder.streams
        with (
            ThreadPoolExecutor(2 * parts._workers, "ingest") as pool,
            ThreadPoolExecutor(streams, "embed") as model,
        ):
            reads = map_ahead(
                pool,
                self._read,
                self._until_stopped(),
                depth=LOOK_UP,
                weigh=lambda item: item[1].size_bytes,
                budget_bytes=READ_AHEAD_BYTES,
            )
            decoded = map_ahead(
                pool,
                self._decode,
                self._unknown(reads),
                depth=2 * batch_size * (streams + 1),
                weigh=lambda content: len(content.data),
                budget_bytes=READ_AHEAD_BYTES,
            )
            try:
                for group in in_groups(self._accepted(decoded), batch_size):
                    if self._monitor.stopping():
                        decoded.close()
                        reads.close()
                        break
                    # The batches before went through the model while this one was decoded; one
                    # more than there are streams waits, so that none of them ever does.
                    while len(self._under_way.batches) > streams:
                        self._finish_embedding()
                    self._embed(group, model)
                while self._under_way.batches:
                    self._finish_embedding()
                self._writer.flush()
            except ModelError:
                self._keep_embedded()
                raise
            except StoreError:
                self._remember_embedded()
                raise
        return self._outcome

    def _embed(self, group: Batch, model: ThreadPoolExecutor) -> None:
        """Start it; what an inner run has embedded meanwhile is written instead."""
        found = [self._take_found(content) for content, _ in group]
        batch = [item for item, rows in zip(group, found, strict=True) if not rows]
        if batch:
            pixels = np.stack([picture.pixels for _, picture in batch])
            future = model.submit(self._parts._index.embed, pixels)
            self._under_way.batches.append((batch, future))
        self._writer.write([row for rows in found for row in rows])

    def _keep_embedded(self) -> None:
        """The model has failed: write what it still did, so that nothing is embedded twice."""
        while self._under_way.batches:
            with suppress(ModelError):
                self._finish_embedding()
        self._writer.flush()

    def _remember_embedded(self) -> None:
        """The store has failed: what went through the model and is not written need not do so
        again."""
        while self._under_way.batches:
            with suppress(ModelError):
                self._embedded()
        self._writer.remember()

    def _until_stopped(self) -> Iterator[tuple[Place, FileStamp]]:
        for item in self._work:
            if self._monitor.stopping():
                return
            yield item

    def _read(self, item: tuple[Place, FileStamp]) -> Content | tuple[Place, FileStamp, Exception]:
        place, stamp = item
        try:
            folder = self._parts._folders[place.root]
            return read_content(folder, place, stamp, self._parts._max_megabytes)
        except (ImageError, ChangingError, OSError) as error:
            return place, stamp, error

    def _unknown(
        self,
        reads: Iterable[Content | tuple[Place, FileStamp, Exception]],
    ) -> Iterator[Content]:
        """The contents that must be embedded; the others are written or noted on the way."""
        for group in in_groups(reads, LOOK_UP, weigh=_weight, budget_bytes=LOOK_UP_BYTES):
            contents = [read for read in group if isinstance(read, Content)]
            for read in group:
                if not isinstance(read, Content):
                    self._note(*read)
            records, unknown = self._known.sift(contents)
            self._writer.write(records)
            yield from unknown

    def _note(self, place: Place, stamp: FileStamp, error: Exception) -> None:
        self._outcome.note(place, stamp, error)
        self._monitor.finished(1)

    def _decode(self, content: Content) -> tuple[Content, Decoded]:
        try:
            preprocessing = self._parts._index.embedder.preprocessing
            return content, self._parts._decoder.decode(content.data, preprocessing)
        except (ImageError, DecoderError) as error:
            return content, error

    def _accepted(
        self, decoded: Iterable[tuple[Content, Decoded]]
    ) -> Iterator[tuple[Content, Picture]]:
        for content, result in decoded:
            if rows := self._take_found(content):
                self._writer.write(rows)
            elif isinstance(result, Picture):
                yield content, result
            else:
                for same in self._under_way.no_longer(content.digest):
                    self._note(same.place, same.stamp, result)

    def _finish_embedding(self) -> None:
        """Wait for the model, and hand the rows on."""
        self._writer.write(
            [
                record(same, vector, picture.thumbnail)
                for content, picture, vector in self._embedded()
                for same in self._under_way.no_longer(content.digest)
            ]
        )

    def _embedded(self) -> list[tuple[Content, Picture, Vector]]:
        """Wait for the model, count, and note what it made."""
        batch, future = self._under_way.batches.popleft()
        vectors = future.result()
        self._monitor.embedded(len(batch))
        self._outcome.embedded += len(batch)
        made = [(*pair, vector) for pair, vector in zip(batch, vectors, strict=True)]
        fresh = {content.digest: (vector, picture.thumbnail) for content, picture, vector in made}
        self._under_way.tell(fresh)
        self._writer.fresh |= fresh
        return made

    def _take_found(self, content: Content) -> list[ImageRecord]:
        """The rows of everything with these bytes, if an inner run has embedded them."""
        if found := self._under_way.found(content.digest):
            waiting = self._under_way.no_longer(content.digest)
            return [record(same, *found) for same in waiting]
        return []


def _weight(read: Content | tuple[Place, FileStamp, Exception]) -> int:
    return len(read.data) if isinstance(read, Content) else 0
