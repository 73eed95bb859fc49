"""A small real tree and the real sync engine over it, with a store, a clock and events that fail.

Everything is the daemon's own code but the pictures (a few bytes each), the embedder, the store's
rows (in memory, they survive a crash) and the loop, which the test itself is.
"""

import hashlib
import os
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.candidates import Candidates
from core.decoder import Picture
from core.errors import ImageError, StoreError
from core.index import ImageIndex
from core.paths import path_text
from core.preprocess import Preprocessing
from core.records import FileStamp, ImageId, ImageRecord, Place
from core.state import read_rejections, write_rejections
from core.stores.memory import MemoryStore
from daemon.board import Board
from daemon.counters import EmbeddedTotal
from daemon.debouncer import Debouncer
from daemon.holds import Holds
from daemon.ingest import Ingest
from daemon.job import Job
from daemon.metrics import Metrics
from daemon.recent import RecentlyDeleted
from daemon.roots import Roots
from daemon.scanner import Scanner, file_stamp
from daemon.sync import SyncReport, SyncService

ROOT = "pics"
WHOLE = Place(ROOT, "")
BAD = b"bad"
SIDE = 4


class Killed(BaseException):
    """The process ends here."""


class Embedder:
    """Vectors from bytes; counts how often each picture went through it."""

    name = "fake/1/stretch-64"
    dim = SIDE * SIDE * 3
    preprocessing = Preprocessing("stretch", 64)
    batch_size = 2
    streams = 1

    def __init__(self) -> None:
        self.counts: Counter[bytes] = Counter()

    def embed(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        flat = pixels.reshape(len(pixels), -1)
        self.counts.update(row.tobytes() for row in flat)
        vectors = flat.astype(np.float32) + 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class TinyDecoder:
    """Takes the place of decoding: any bytes are a picture, but those that begin with BAD."""

    def decode(self, data: bytes, _: Preprocessing) -> Picture:
        if data.startswith(BAD):
            raise ImageError("is bad")
        pixels = np.frombuffer((hashlib.sha256(data).digest() * 2)[: SIDE * SIDE * 3], np.uint8)
        return Picture(pixels.reshape(SIDE, SIDE, 3), b"\xff\xd8\xff", SIDE, SIDE)

    def close(self) -> None:
        pass


class FragileStore(MemoryStore):
    """Fails at the calls that the test chose; knows what must not happen."""

    world: "World"

    def upsert(self, records: Sequence[ImageRecord]) -> None:
        self.world.strike(lambda: MemoryStore.upsert(self, records[: len(records) // 2]))
        assert self.world.mounted or not records, "rows written of a root that is not there"
        super().upsert(records)
        self.world.calls += ["upsert"] * bool(records)
        self.world.strike()

    def delete(self, ids: Collection[ImageId]) -> None:
        self.world.strike(lambda: MemoryStore.delete(self, list(ids)[: len(ids) // 2]))
        assert self.world.mounted or not ids, "rows deleted of a root that is not there"
        super().delete(ids)
        self.world.calls += ["delete"] * bool(ids)
        self.world.deletions += ids
        self.world.strike()


class World:
    """The tree, the events on their way, the engine, and what is left of it after a crash."""

    def __init__(self) -> None:
        shm = Path("/dev/shm")
        self.folder = Path(tempfile.mkdtemp(dir=shm if os.access(shm, os.W_OK) else None))
        self.tree = self.folder / "root"
        self.tree.mkdir()
        self.outside = self.folder / "outside"
        self.outside.mkdir()
        self.state = self.folder / "state"
        self.state.mkdir()
        self.mounted = True
        self.calls: list[str] = []
        """Of the store, in order."""
        self.deletions: list[ImageId] = []
        self.events: list[Place] = []
        self.now = 1000.0
        self.wall_offset_seconds = 60.0
        """60: every file counts as settled. 0: none does."""
        self.fault: tuple[int, Callable[[Callable[[], object]], object]] | None = None
        """So many calls of the store from now, and what happens then."""
        self.urgent: Callable[[], object] | None = None
        self.seen: dict[tuple[Place, FileStamp], set[str]] = {}
        """Everything that was ever on the disk."""
        self.embedder = Embedder()
        self.store = FragileStore(self.embedder.dim, {}, {})
        self.store.world = self
        self.start()

    # ---- the engine -------------------------------------------------------------------------

    def start(self) -> None:
        """A new process over what the last one left."""
        self.fault = None
        self.debouncer = Debouncer(1.0)
        self.recent = RecentlyDeleted(self.state / "recent.sqlite")
        self.rejections = read_rejections(self.state)
        self.holds = Holds(
            self.state / "held.json",
            0.05,
            clock=lambda: self.now + self.wall_offset_seconds,
            steady_clock=lambda: self.now,
        )
        decoder = TinyDecoder()
        embedder = self.embedder
        index = ImageIndex(embedder.name, lambda: embedder, self.store, decoder, [ROOT])
        folders = {ROOT: self.tree}
        self.roots = Roots(folders, self.state / "roots.json", steady_clock=lambda: self.now)
        self.sync_service = SyncService(
            index,
            Ingest(index, decoder, folders, self.recent, max_megabytes=1, workers=1),
            {ROOT: Scanner(ROOT, self.tree, Candidates())},
            roots=self.roots,
            holds=self.holds,
            recent=self.recent,
            rejections=self.rejections,
            decoder_version="1",
            settle_seconds=1.0,
            clock=lambda: time.time() + self.wall_offset_seconds,
        )

    def crash(self) -> None:
        """What was not written is gone; hints always are."""
        self.recent.close()
        self.roots.close()
        self.embedder.counts.clear()  # what was in flight may be embedded once more
        self.start()
        self.debouncer.add_all(ROOT, self.now)

    def sync(self, places: Collection[Place], *, settled: bool, nested: bool = False) -> SyncReport:
        """As the daemon's loop calls it, with what the loop makes of the report."""
        job = self.job(None if nested else self._urgent)
        try:
            report = self.sync_service.sync(places, job, settled=settled)
        except StoreError:
            self.embedder.counts.clear()
            for place in places:
                self.debouncer.postpone(place, self.now, 1)
            raise
        for place in [*report.again, *report.racy]:
            self.debouncer.postpone(place, self.now, 1)
        write_rejections(self.state, self.rejections)
        return report

    def job(self, urgent: Callable[[], list[Place]] | None = None) -> Job:
        """As the engine makes one."""
        board = Board(self.state, {ROOT: 0}, "memory")
        total = EmbeddedTotal(self.state / "embedded.json", "x")
        stop, metrics = threading.Event(), Metrics()
        return Job(board, total, stop, count=lambda: None, metrics=metrics, urgent=urgent)

    def _urgent(self) -> list[Place]:
        urgent, self.urgent = self.urgent, None
        if urgent is None:
            return []
        urgent()
        self.deliver()
        self.now += 1
        due = [place for place in self.debouncer.due(self.now) if place.path]
        report = self.sync(due, settled=True, nested=True)
        return [] if report.suspended else due

    def strike(self, half: Callable[[], object] = lambda: None) -> None:
        """A call of the store has come so far; `half` does half of it."""
        if self.fault is None:
            return
        left, act = self.fault
        self.fault = (left - 1, act) if left else None
        if not left:
            act(half)

    # ---- the disk ---------------------------------------------------------------------------

    def changed(self, *paths: str) -> None:
        """The kernel has events of these paths; remember what is on the disk now."""
        self.events += [Place(ROOT, path_text(path)) for path in paths]
        if self.mounted:
            for place, file in self.files():
                digest = hashlib.sha256(file.read_bytes()).hexdigest()
                self.seen.setdefault((place, file_stamp(file.lstat())), set()).add(digest)

    def deliver(self) -> None:
        """The watcher's turn."""
        for place in self.events:
            self.debouncer.add(place, self.now)
        self.events.clear()

    def unmount(self) -> None:
        """An empty folder lies where the root was."""
        if self.mounted:
            self.tree.rename(self.folder / "away")
            self.tree.mkdir()
            self.mounted = False

    def remount(self) -> None:
        """The root is back; its watcher asks for all of it."""
        if not self.mounted:
            self.tree.rmdir()
            (self.folder / "away").rename(self.tree)
            self.mounted = True
            self.debouncer.add_all(ROOT, self.now)

    def files(self) -> list[tuple[Place, Path]]:
        """Every picture on the disk, by a walk of its own."""
        found = []
        for parent, _, names in os.walk(self.tree):
            for name in names:
                file = Path(parent, name)
                if name.endswith(".jpg") and not file.is_symlink() and not name.startswith("."):
                    found.append((Place(ROOT, file.relative_to(self.tree).as_posix()), file))
        return found

    def expected(self) -> dict[Place, str]:
        """Place -> digest of every picture that should have a row."""
        contents = ((place, file.read_bytes()) for place, file in self.files())
        return {
            place: hashlib.sha256(data).hexdigest()
            for place, data in contents
            if not data.startswith(BAD)
        }

    def rows(self) -> dict[Place, str]:
        """Place -> digest of every row."""
        return {place: stamp.digest for place, stamp in self.store.stamps().items()}

    def close(self) -> None:
        self.recent.close()
        self.roots.close()
        shutil.rmtree(self.folder)


def fail(half: Callable[[], object], *, after_half: bool = False) -> None:
    """The store is away, perhaps in the middle of a batch."""
    if after_half:
        half()
    raise StoreError("The store is away.")


def kill(half: Callable[[], object], *, after_half: bool = False) -> None:
    """SIGKILL."""
    if after_half:
        half()
    raise Killed


Fault = Callable[[Callable[[], Any]], Any]
