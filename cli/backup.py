"""`lookalike backup` and `lookalike restore`: the index as one file."""

import time
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from cli.output import print_json, say
from core.backup import ROWS, THUMBNAILS, Manifest, Part
from core.backup.reader import BackupReader
from core.backup.restore import restore as put_back
from core.backup.writer import write_backup
from core.bootstrap import open_database, writer_locks
from core.config import Config, load_config
from core.errors import UsageError
from core.files import FileLock, read_json
from core.logs import set_up_logging
from core.state import Progress
from daemon.counters import EmbeddedTotal
from daemon.progress import ProgressBar

DAEMON_RUNS = "A daemon (process {pid}) keeps this index. Stop it first, then restore."


def backup(config_file: Path, file: Path, *, as_json: bool) -> int:
    """The exit code."""
    config = load_config(config_file)
    _outside(config, file)
    begun = time.perf_counter()
    with closing(open_database(config, writable=False)) as database, _Bars() as bars:
        manifest = write_backup(database, file, lambda index: _total(config, index), bars.show)
    seconds = round(time.perf_counter() - begun, 3)
    rows, thumbnails = (manifest.parts[name].rows for name in (ROWS, THUMBNAILS))
    if as_json:
        size_bytes = file.stat().st_size
        print_json(
            _document(file, manifest)
            | {"size_bytes": size_bytes, "seconds": seconds, "created": manifest.created}
        )
    else:
        print(f"{rows} rows and {thumbnails} thumbnails saved in {file}")
    return 0


def restore(config_file: Path, file: Path, *, replace: bool, as_json: bool) -> int:
    """The exit code."""
    config = load_config(config_file)
    set_up_logging(config.log.model_copy(update={"level": "warning"}))
    own = FileLock(config.state / "daemon" / "lock", DAEMON_RUNS)
    locks = [own, *writer_locks(config, DAEMON_RUNS)]
    with BackupReader(file) as opened, _Bars() as bars:
        manifest = opened.manifest
        try:
            for lock in locks:
                lock.acquire()
            with closing(open_database(config, writable=True)) as database:
                database.claim()
                done = put_back(database, opened, replace=replace, progress=bars.show)
            total = EmbeddedTotal(config.state / "daemon" / "embedded.json", manifest.index)
            total.add(max(0, (manifest.embedded_total or 0) - total.count))
        finally:
            for lock in reversed(locks):
                lock.release()
    foreign = sorted(manifest.roots.keys() - config.roots.keys())
    if foreign:
        say(f"These roots of the backup are not configured, and not searched: {', '.join(foreign)}")
    if manifest.embedder.partition("/")[0] != config.model.name:
        say(
            f"The backup was made by {manifest.embedder}. It answers; the daemon builds the index "
            f"of {config.model.name} beside it, which takes its place."
        )
    if as_json:
        print_json(_document(file, manifest) | asdict(done))
    else:
        was = f" in place of {done.replaced}" if done.replaced else ""
        print(f"{manifest.parts[ROWS].rows} rows restored{was}; `lookalike verify` compares them.")
    return 0


def _document(file: Path, manifest: Manifest) -> dict[str, object]:
    parts: dict[str, Part] = dict(manifest.parts)
    return {
        "file": str(file),
        "model": manifest.embedder,
        "index": manifest.index,
        "roots": dict(manifest.roots),
        "rows": parts[ROWS].rows,
        "thumbnails": parts[THUMBNAILS].rows,
    }


def _outside(config: Config, file: Path) -> None:
    folder = file.absolute().parent.resolve()
    for name, path in config.roots.items():
        root = path.resolve()
        if root == folder or root in folder.parents:
            raise UsageError(f"{file} lies below root '{name}'; nothing is ever written there.")


def _total(config: Config, index: str) -> int | None:
    """What the daemon counted; None where this user may not know."""
    document = read_json(config.state / "daemon" / "embedded.json")
    if not isinstance(document, dict) or document.get("index") != index:
        return None
    total = document.get("embedded_total")
    return total if isinstance(total, int) else None


class _Bars:
    """A bar for each kind of work, one after the other."""

    def __init__(self) -> None:
        self._bar: ProgressBar | None = None
        self._what = ""
        self._begun = 0.0

    def show(self, what: str, done: int, total: int) -> None:
        """Draw it."""
        if what != self._what:
            self.close()
            self._bar, self._what, self._begun = ProgressBar(what), what, time.monotonic()
        assert self._bar is not None
        speed = done / max(1e-3, time.monotonic() - self._begun)
        left = (total - done) / speed if speed else None
        self._bar(Progress(done, total, speed, left))

    def close(self) -> None:
        """Idempotent."""
        if self._bar:
            self._bar.close()

    def __enter__(self) -> "_Bars":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
