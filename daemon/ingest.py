"""The pipeline from files to rows: read, recognise, decode, embed, write; no stage waits idly."""

import time
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.decoder import Decoder, Picture
from core.errors import DecoderError, ImageError, ModelError, StoreError
from core.index import ImageIndex
from core.reader import ChangingError, Content, read_content
from core.records import FileStamp, ImageRecord, IndexedStamp, Place, Vector
from daemon.ahead import in_groups, map_ahead
from daemon.outcome import Monitor, Outcome
from daemon.recent import RecentlyDeleted

Decoded = Picture | ImageError | DecoderError
Batch = list[tuple[Content, Picture]]
Vectors = NDArray[np.float32]

WRITE_ROWS = 256
WRITE_SECONDS = 1.0
"""Whichever comes first: a model seldom fills so many rows in a second, moved files do."""
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
        self._runs: list[_Run] = []
        """Under way, each started by the one before it, between two of its batches."""

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
        run = _Run(self, work, monitor, stamps, looked_for)
        outer = list(self._runs)
        self._runs.append(run)
        try:
            return run.run(outer)
        finally:
            self._runs.pop()


class _Run:
    """The state of one Ingest.run."""

    def __init__(
        self,
        ingest: Ingest,
        work: Iterable[tuple[Place, FileStamp]],
        monitor: Monitor,
        stamps: Mapping[Place, IndexedStamp],
        looked_for: Mapping[str, object],
    ) -> None:
        self._parts = ingest
        self._work = work
        self._monitor = monitor
        self._stamps = stamps
        self._looked_for = looked_for
        self._outcome = Outcome()
        self._waiting: defaultdict[str, list[Content]] = defaultdict(list)
        """Files whose bytes are being embedded for the first of them."""
        self._embedding: deque[tuple[Batch, Future[Vectors]]] = deque()
        self._rows: list[ImageRecord] = []
        self._written = time.monotonic()
        self._fresh: dict[str, tuple[Vector, bytes]] = {}
        """What was embedded and is not in the store yet, by digest."""
        self._outer: list[_Run] = []
        self._found: dict[str, tuple[Vector, bytes]] = {}
        """What inner runs embedded of what waits here."""

    def run(self, outer: "list[_Run]") -> Outcome:
        """`outer`: the runs that wait for this one to end."""
        self._outer = outer
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
                    while len(self._embedding) > streams:
                        self._finish_embedding()
                    self._embed(group, model)
                while self._embedding:
                    self._finish_embedding()
                self._flush()
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
            self._embedding.append((batch, model.submit(self._parts._index.embed, pixels)))
        self._write([row for rows in found for row in rows])

    def _keep_embedded(self) -> None:
        """The model has failed: write what it still did, so that nothing is embedded twice."""
        while self._embedding:
            with suppress(ModelError):
                self._finish_embedding()
        self._flush()

    def _remember_embedded(self) -> None:
        """The store has failed: what went through the model and is not written need not do so
        again."""
        while self._embedding:
            with suppress(ModelError):
                self._embedded()
        self._remember(self._fresh.keys())

    def _remember(self, digests: Iterable[str]) -> None:
        rows = ((digest, *self._fresh[digest]) for digest in digests)
        self._parts._recent.keep(self._parts._index.name, rows)

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
        index, recent = self._parts._index, self._parts._recent
        for group in in_groups(reads, LOOK_UP, weigh=_weight, budget_bytes=LOOK_UP_BYTES):
            contents = [read for read in group if isinstance(read, Content)]
            for read in group:
                if not isinstance(read, Content):
                    self._note(*read)
            digests = list({content.digest for content in contents} - self._waiting.keys())
            vectors = index.store.find_vectors(digests)
            remembered = recent.find(index.name, [d for d in digests if d not in vectors])
            records, unknown = [], []
            for content in contents:
                digest = content.digest
                if digest in vectors:
                    records.append(_record(content, vectors[digest]))
                elif known := self._fresh.get(digest):
                    records.append(_record(content, *known))
                elif digest in remembered:
                    records.append(_record(content, *remembered[digest]))
                elif under_way := self._under_way(digest):
                    records.append(_record(content, *under_way))
                else:
                    if digest not in self._waiting:
                        unknown.append(content)
                    self._waiting[digest].append(content)
            self._write(records)
            yield from unknown

    def _note(self, place: Place, stamp: FileStamp, error: Exception) -> None:
        match error:
            case ImageError():
                self._outcome.rejected[place] = (stamp, str(error))
            case ChangingError() | FileNotFoundError() | NotADirectoryError():
                self._outcome.changing.append(place)  # the next look says what became of it
            case OSError():
                self._outcome.failed[place] = str(error.strerror)
            case DecoderError():
                self._outcome.failed[place] = str(error)
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
                self._write(rows)
            elif isinstance(result, Picture):
                yield content, result
            else:
                for same in self._waiting.pop(content.digest):
                    self._note(same.place, same.stamp, result)

    def _finish_embedding(self) -> None:
        """Wait for the model, and hand the rows on."""
        self._write(
            [
                _record(same, vector, picture.thumbnail)
                for content, picture, vector in self._embedded()
                for same in self._waiting.pop(content.digest)
            ]
        )

    def _embedded(self) -> list[tuple[Content, Picture, Vector]]:
        """Wait for the model, count, and note what it made."""
        batch, future = self._embedding.popleft()
        vectors = future.result()
        self._monitor.embedded(len(batch))
        self._outcome.embedded += len(batch)
        made = [(*pair, vector) for pair, vector in zip(batch, vectors, strict=True)]
        fresh = {content.digest: (vector, picture.thumbnail) for content, picture, vector in made}
        for outer in self._outer:
            outer._found |= {d: known for d, known in fresh.items() if d in outer._waiting}
        self._fresh |= fresh
        return made

    def _take_found(self, content: Content) -> list[ImageRecord]:
        """The rows of everything with these bytes, if an inner run has embedded them."""
        if found := self._found.pop(content.digest, None):
            return [_record(same, *found) for same in self._waiting.pop(content.digest)]
        return []

    def _under_way(self, digest: str) -> tuple[Vector, bytes] | None:
        """What an outer run is just putting through the model: a file that was moved while it was
        read is not embedded twice."""
        for outer in self._outer:
            for batch, future in outer._embedding:
                for row, (content, picture) in enumerate(batch):
                    if content.digest == digest:
                        return future.result()[row], picture.thumbnail
        return None

    def _write(self, records: list[ImageRecord]) -> None:
        """Collect rows, and write them when there are enough: a write costs nearly the same for
        one row as for many."""
        self._rows += records
        if len(self._rows) >= WRITE_ROWS or time.monotonic() - self._written >= WRITE_SECONDS:
            self._flush()

    def _flush(self) -> None:
        rows = [row for row in self._rows if not self._monitor.superseded(row.place)]
        self._parts._recent.keep_rows(self._parts._index, self._overwritten(rows))
        self._parts._index.add(rows)
        # What was overtaken may have been overtaken by a look that did not see it: a disk that was
        # away for a moment.
        self._remember(self._fresh.keys() - {row.digest for row in rows})
        self._outcome.written += [row.place for row in rows]
        self._outcome.found_again |= {r.digest for r in rows if r.digest in self._looked_for}
        self._outcome.racy += [row.place for row in rows if row.racy]
        files, self._rows, self._fresh = len(self._rows), [], {}
        self._monitor.finished(files)
        # After the write: what is urgent then finds these vectors, and overwrites what is older.
        self._monitor.between()
        self._written = time.monotonic()

    def _overwritten(self, rows: list[ImageRecord]) -> list[Place]:
        """Their bytes may be elsewhere by now, or come back: files change places."""
        were = ((row, self._stamps.get(row.place)) for row in rows)
        return [row.place for row, was in were if was and was.digest != row.digest]


def _weight(read: Content | tuple[Place, FileStamp, Exception]) -> int:
    return len(read.data) if isinstance(read, Content) else 0


def _record(content: Content, vector: Vector, thumbnail: bytes | None = None) -> ImageRecord:
    return ImageRecord(
        content.place, content.stamp, content.digest, vector, content.racy, thumbnail
    )
