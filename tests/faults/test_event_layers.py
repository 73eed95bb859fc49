"""F35: what events alone miss: ours beside stock watchdog and watchfiles, over one churned tree.

Each layer feeds the same little mirror, which looks at the disk wherever it is told to and records
every file's content. What its record lacks or has wrong at the end, nobody told it of. No scan
helps any of them.
"""

import hashlib
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from daemon.watcher import Trouble, Watcher
from tests.faults.churn import Churn
from tests.faults.conftest import Figure
from tests.faults.oracle import Hashes, on_disk

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

QUIET_SECONDS = 3


class Mirror:
    """Path -> digest of what it was told to look at. Looks some time after it is told."""

    def __init__(self, tree: Path) -> None:
        self._tree = os.fsencode(tree)
        self._told: dict[bytes, float] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.record: Hashes = {}
        self._thread.start()

    def look(self, path: bytes) -> None:
        """Something may have changed at or below this relative path."""
        with self._lock:
            self._told[path] = time.monotonic() + 0.3

    def close(self) -> None:
        self._over.set()
        self._thread.join()

    def wait(self) -> None:
        """Until it has been told nothing for a while."""
        quiet = time.monotonic()
        while time.monotonic() - quiet < QUIET_SECONDS:
            time.sleep(0.1)
            with self._lock:
                if self._told:
                    quiet = time.monotonic()

    def _run(self) -> None:
        while not self._over.wait(0.05):
            now = time.monotonic()
            with self._lock:
                due = [path for path, at in self._told.items() if at <= now]
                for path in due:
                    del self._told[path]
            for path in due:
                self._sync(path)

    def _sync(self, path: bytes) -> None:
        below = path + b"/" if path else b""
        for known in [k for k in self.record if k == path or k.startswith(below)]:
            del self.record[known]
        full = os.path.join(self._tree, path) if path else self._tree
        with suppress(OSError):
            if any(part.startswith(b".") for part in path.split(b"/")):
                return
            status = os.lstat(full)
            if stat.S_ISDIR(status.st_mode) and not _through_link(self._tree, path):
                found = on_disk(full)
                self.record |= {below + inside: digest for inside, digest in found.items()}
            elif (
                stat.S_ISREG(status.st_mode)
                and path.lower().endswith((b".jpg", b".jpeg"))
                and not _through_link(self._tree, path)
            ):
                with open(full, "rb") as file:
                    self.record[path] = hashlib.file_digest(file, "sha256").hexdigest()


def _through_link(tree: bytes, path: bytes) -> bool:
    parts = path.split(b"/")
    return any(os.path.islink(os.path.join(tree, *parts[:depth])) for depth in range(1, len(parts)))


@contextmanager
def ours(tree: Path, look: Callable[[bytes], None]) -> Iterator[None]:
    class Sink:
        def hint(self, _root: str, path: bytes, *, settled: bool) -> None:
            del settled
            look(path)

        def trouble(self, root: str, trouble: Trouble, detail: str) -> None:
            """The watcher hints the root by itself."""

    watcher = Watcher({"r": tree}, Sink(), lambda *_: False)
    watcher.start()
    assert watcher.wait_armed(10)
    yield
    watcher.stop()


@contextmanager
def stock_watchdog(tree: Path, look: Callable[[bytes], None]) -> Iterator[None]:
    base = os.fsencode(tree)

    class Handler(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            if event.event_type in ("opened", "closed_no_write"):
                return
            for path in filter(None, (event.src_path, event.dest_path)):
                look(_relative(os.fsencode(path), base))

    observer = Observer()
    observer.schedule(Handler(), str(tree), recursive=True)
    observer.start()
    yield
    observer.stop()
    observer.join(5)


@contextmanager
def watchfiles(tree: Path, look: Callable[[bytes], None]) -> Iterator[None]:
    library = pytest.importorskip("watchfiles", reason="needs watchfiles (pip, for this test only)")
    base, stop = os.fsencode(tree), threading.Event()

    def listen() -> None:
        while not stop.is_set():
            with suppress(Exception):  # an undecodable name ends its loop (watchfiles lib.rs)
                for changes in library.watch(tree, stop_event=stop, watch_filter=None):
                    for _, path in changes:
                        look(_relative(os.fsencode(path), base))

    thread = threading.Thread(target=listen)
    thread.start()
    time.sleep(1)
    yield
    stop.set()
    thread.join(10)


def _relative(path: bytes, base: bytes) -> bytes:
    relative = os.path.relpath(path, base)
    return b"" if relative == b"." else relative


LAYERS = {"ours": ours, "watchdog 6": stock_watchdog, "watchfiles": watchfiles}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("names", ["any names", "UTF-8 names"])
def test_what_events_alone_miss(tmp_path: Path, figure: Figure, names: str) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    mirrors = {name: Mirror(tree) for name in LAYERS}
    with (
        ours(tree, mirrors["ours"].look),
        stock_watchdog(tree, mirrors["watchdog 6"].look),
        watchfiles(tree, mirrors["watchfiles"].look),
    ):
        utf8_only = names == "UTF-8 names"
        Churn(tree, tmp_path / "outside", 35, operations=10_000, utf8_only=utf8_only).run()
        for mirror in mirrors.values():
            mirror.wait()
    disk = on_disk(tree)
    missed = {}
    for name, mirror in mirrors.items():
        mirror.close()
        record = mirror.record
        wrong = {path for path in disk.keys() | record.keys() if disk.get(path) != record.get(path)}
        missed[name] = len(wrong)
    figure(
        "F35", f"F1 by events alone, {names}", files_at_the_end=len(disk),
        **{f"missed_by_{name.replace(' ', '_')}": count for name, count in missed.items()},
    )  # fmt: skip
    assert missed["ours"] == 0
