"""The pipeline from files to rows: read, recognise, decode, embed, write; no stage waits idly."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from core.decoder import Decoder, Picture
from core.errors import ImageError
from core.index import ImageIndex
from core.records import FileStamp, ImageRecord, Place, Vector
from daemon.ahead import in_groups, map_ahead
from daemon.reader import ChangingError, Content, read_content
from daemon.recent import RecentlyDeleted

READ_AHEAD_BYTES = 64 << 20
LOOK_UP = 16
"""Files asked of the store at once whether their bytes are known: one query for all of them."""


@dataclass
class Outcome:
    """What became of the files of one run."""

    written: list[Place] = field(default_factory=list)
    embedded: int = 0
    rejected: dict[Place, tuple[FileStamp, str]] = field(default_factory=dict)
    changing: list[Place] = field(default_factory=list)
    """Files that were being written, or vanished: to be looked at again soon."""
    racy: list[Place] = field(default_factory=list)
    """Written, but read so shortly after a change that they must be looked at again."""
    failed: dict[Place, str] = field(default_factory=dict)
    """Files that are there and could not be read, and why."""


class Monitor(Protocol):
    """What a run tells and asks while it works."""

    def stopping(self) -> bool:
        """Whether to give up: what is written stays, the rest is found by the next sync."""
        ...

    def superseded(self, place: Place) -> bool:
        """Whether a later sync has dealt with the place: its result must not be overwritten."""
        ...

    def embedded(self, count: int) -> None:
        """So many pictures went through the model."""
        ...

    def finished(self, files: int) -> None:
        """So many more files are dealt with, one way or another."""
        ...

    def between(self) -> None:
        """Nothing is being written right now: the moment for more urgent work."""
        ...


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

    def run(self, work: Iterable[tuple[Place, FileStamp]], monitor: Monitor) -> Outcome:
        """Read, embed and write these files. StoreError and ModelError end the run; one bad file
        never does."""
        return _Run(self, work, monitor).run()


class _Run:
    """The state of one Ingest.run."""

    def __init__(
        self, ingest: Ingest, work: Iterable[tuple[Place, FileStamp]], monitor: Monitor
    ) -> None:
        self._parts = ingest
        self._work = work
        self._monitor = monitor
        self._outcome = Outcome()
        self._waiting: defaultdict[str, list[Content]] = defaultdict(list)
        """Files whose bytes are being embedded for the first of them."""
        self._flying: dict[str, tuple[Vector, bytes]] = {}
        """What was embedded and may not be in the store yet, by digest."""
        self._writing: Future[None] | None = None

    def run(self) -> Outcome:
        parts = self._parts
        batch_size = parts._index.embedder.batch_size
        with (
            ThreadPoolExecutor(2 * parts._workers, "ingest") as pool,
            ThreadPoolExecutor(1, "store-writer") as writer,
        ):
            reads = map_ahead(
                pool,
                self._read,
                self._until_stopped(),
                depth=LOOK_UP * 2,
                weigh=lambda item: item[1].size_bytes,
                budget_bytes=READ_AHEAD_BYTES,
            )
            decoded = map_ahead(
                pool,
                self._decode,
                self._unknown(reads, writer),
                depth=batch_size + 2 * parts._workers,
                weigh=lambda content: len(content.data),
                budget_bytes=READ_AHEAD_BYTES,
            )
            good = (
                (content, result) for content, result in decoded if self._accept(content, result)
            )
            for batch in in_groups(good, batch_size):
                self._embed(batch, writer)
            self._await_writer()
        return self._outcome

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
        writer: ThreadPoolExecutor,
    ) -> Iterator[Content]:
        """The contents that must be embedded; the others are written or noted on the way."""
        index, recent = self._parts._index, self._parts._recent
        for group in in_groups(reads, LOOK_UP):
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
                elif digest in self._flying:
                    records.append(_record(content, *self._flying[digest]))
                elif digest in remembered:
                    records.append(_record(content, *remembered[digest]))
                else:
                    if digest not in self._waiting:
                        unknown.append(content)
                    self._waiting[digest].append(content)
            self._write(records, writer)
            yield from unknown

    def _note(self, place: Place, stamp: FileStamp, error: Exception) -> None:
        match error:
            case ImageError():
                self._outcome.rejected[place] = (stamp, str(error))
            case ChangingError() | FileNotFoundError() | NotADirectoryError():
                self._outcome.changing.append(place)  # the next look says what became of it
            case OSError():
                self._outcome.failed[place] = str(error.strerror)
        self._monitor.finished(1)

    def _decode(self, content: Content) -> tuple[Content, Picture | ImageError]:
        try:
            preprocessing = self._parts._index.embedder.preprocessing
            return content, self._parts._decoder.decode(content.data, preprocessing)
        except ImageError as error:
            return content, error

    def _accept(self, content: Content, result: Picture | ImageError) -> bool:
        if isinstance(result, Picture):
            return True
        for same in self._waiting.pop(content.digest):
            self._note(same.place, same.stamp, result)
        return False

    def _embed(
        self, batch: list[tuple[Content, Picture | ImageError]], writer: ThreadPoolExecutor
    ) -> None:
        pictures = [picture for _, picture in batch if isinstance(picture, Picture)]
        vectors = self._parts._index.embed(np.stack([picture.pixels for picture in pictures]))
        self._monitor.embedded(len(batch))
        self._outcome.embedded += len(batch)
        records = [
            _record(same, vector, picture.thumbnail)
            for (content, _), picture, vector in zip(batch, pictures, vectors, strict=True)
            for same in self._waiting.pop(content.digest)
        ]
        self._write(records, writer)
        self._flying = {
            content.digest: (vector, picture.thumbnail)
            for (content, _), picture, vector in zip(batch, pictures, vectors, strict=True)
        }

    def _write(self, records: list[ImageRecord], writer: ThreadPoolExecutor) -> None:
        """Hand the rows to the writer thread, once it is done with the ones before."""
        if not records:
            return
        self._await_writer()
        self._monitor.between()
        fresh = [record for record in records if not self._monitor.superseded(record.place)]
        self._writing = writer.submit(self._parts._index.add, fresh)
        self._outcome.written += [record.place for record in fresh]
        self._outcome.racy += [record.place for record in fresh if record.racy]
        self._monitor.finished(len(records))

    def _await_writer(self) -> None:
        if self._writing is not None:
            self._writing.result()
            self._writing = None


def _record(content: Content, vector: Vector, thumbnail: bytes | None = None) -> ImageRecord:
    return ImageRecord(
        content.place, content.stamp, content.digest, vector, content.racy, thumbnail
    )
