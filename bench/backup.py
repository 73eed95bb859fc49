"""Backup and restore beside their baselines: `python -m bench.backup --rows 100000 [--weaviate]`.

An index with a row and a thumbnail for each of so many small files is made, saved, restored into an
empty store, compared with the disk (`verify`) and kept by a sync, which must embed nothing. With
--weaviate it is also restored on a server, and a bare `insert_many` of the same objects takes turns
with that, so that what else the machine does falls on both.
"""

import argparse
import hashlib
import json
import os
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from bench.bare_insert import BareInsert, tell
from bench.clustered import draw
from bench.weaviate import server
from cli.verify import DIFFERENCES, compare
from core.backup import ROWS, THUMBNAILS
from core.backup.reader import BackupReader
from core.backup.restore import restore
from core.backup.writer import write_backup
from core.bootstrap import open_database, open_preview
from core.config import Config, load_config
from core.records import ImageRecord, Place, file_stamp
from core.stores import Catalogue
from core.stores.scopes import chunks
from core.stores.weaviate import WeaviateDatabase
from daemon.engine import Engine
from daemon.to_the_end import sync_to_the_end

_THUMBNAIL_BYTES = 11_000
_A_FOLDER = 1_000
_WRITTEN_AT_ONCE = 5_000


def main() -> None:
    """Print the figures; with --json, one document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--weaviate", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lookalike-bench-") as work:
        figures = measure(Path(work), arguments.rows, on_a_server=arguments.weaviate)
    if arguments.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:44} {value:,.2f}" if isinstance(value, float) else f"{name:44} {value:,}")


def measure(work: Path, rows: int, *, on_a_server: bool) -> dict[str, Any]:
    """All figures, in one run on this machine."""
    old, new = (_config(work, name, f"lancedb:./{name}/index") for name in ("old", "new"))
    _fill(old, rows)
    file = work / "index.lookalike"
    backup_seconds = _save(old, file)
    restored = _restore(new, file)
    figures: dict[str, Any] = {
        "rows": rows,
        "backup_bytes": file.stat().st_size,
        "lance_backup_seconds": backup_seconds,
        "lance_restore_seconds": sum(restored.values()),
        **{f"lance_restore_{name}_seconds": value for name, value in restored.items()},
        "lance_together_seconds": backup_seconds + sum(restored.values()),
        **_kept("lance", new),
    }
    if on_a_server:
        figures |= _on_a_server(work, file)
    return figures


def _config(work: Path, name: str, store: str) -> Config:
    (work / "pictures").mkdir(exist_ok=True)
    file = work / f"{name}.yaml"
    settings = {
        "roots": {"pictures": "./pictures"},
        "model": {"name": "colour-layout"},
        "store": store,
        "state": f"./{name}/state",
    }
    file.write_text(yaml.safe_dump(settings))
    return load_config(file)


def _fill(config: Config, count: int) -> None:
    """Files that need not be pictures, as nothing is to be embedded, and their rows."""
    embedder = open_preview()
    vectors, _ = draw(count)
    missing = embedder.dim - vectors.shape[1]
    with closing(open_database(config, writable=True)) as database:
        database.write_catalogue(Catalogue("bench", embedder.name))
        store = database.vectors(embedder.name, embedder.dim)
        for some in chunks(range(count), _WRITTEN_AT_ONCE):
            store.upsert([
                _record(config, n, np.pad(vectors[n], (0, missing))) for n in some
            ])  # fmt: skip
            tell("filled", some[-1] + 1)
        store.maintain()


def _record(config: Config, number: int, vector: Any) -> ImageRecord:
    place = Place("pictures", f"{number // _A_FOLDER:04}/{number:07}.jpg")
    file = config.roots[place.root] / place.path
    file.parent.mkdir(exist_ok=True)
    data = str(number).encode()
    file.write_bytes(data)
    # Of random bytes: JPEG files cannot be compressed further either.
    thumbnail = b"\xff\xd8\xff" + os.urandom(_THUMBNAIL_BYTES)
    return ImageRecord(
        place,
        file_stamp(file.lstat()),
        hashlib.sha256(data).hexdigest(),
        vector,
        thumbnail=thumbnail,
    )


def _save(config: Config, file: Path) -> float:
    begun = time.perf_counter()
    with closing(open_database(config, writable=False)) as database:
        write_backup(database, file, lambda _: 0, lambda *_: None)
    return time.perf_counter() - begun


def _restore(config: Config, file: Path) -> dict[str, float]:
    with (
        closing(open_database(config, writable=True)) as database,
        BackupReader(file) as backup,
    ):
        return restore(database, backup, replace=False, progress=lambda *_: None).seconds


def _kept(name: str, config: Config) -> dict[str, int]:
    """What `verify` finds, and what a writer that looks at all of it embeds."""
    compared = compare(config, content=False)
    with Engine(config) as engine:
        engine.open_model()
        report = sync_to_the_end(engine, engine.everything, lambda _: None)
    return {
        f"{name}_verify_differences": sum(len(compared[kind]) for kind in DIFFERENCES),
        f"{name}_embedded_by_a_sync": report.embedded,
        f"{name}_unchanged": report.unchanged,
    }


def _on_a_server(work: Path, file: Path) -> dict[str, Any]:
    with server(work / "server") as there:
        if there.key:
            os.environ["WEAVIATE_API_KEY"] = there.key
        config = _config(work, "server-side", there.url)
        with closing(open_database(config, writable=True)) as opened, BackupReader(file) as backup:
            assert isinstance(opened, WeaviateDatabase)
            bare = BareInsert(there, backup)
            restored = restore(opened, backup, replace=False, progress=bare.follow).seconds
            restored["rows"] -= bare.rows_turns_seconds
            restored["thumbnails"] -= bare.thumbnails_turns_seconds
            bare.drop()
            rows, thumbnails = (backup.manifest.parts[name].rows for name in (ROWS, THUMBNAILS))
        kept = _kept("weaviate", config)
        saved = _save(config, work / "again.lookalike")
        if not there.ours:
            with closing(open_database(config, writable=True)) as opened:
                for holding in opened.holdings():
                    if holding.embedder:
                        opened.drop(holding.embedder)
    return {
        "weaviate_insert_many_rows_per_second": rows / bare.rows_seconds,
        "weaviate_restore_rows_per_second": rows / restored["rows"],
        "weaviate_rows_against_insert_many": bare.rows_seconds / restored["rows"],
        "weaviate_insert_many_thumbnails_per_second": thumbnails / bare.thumbnails_seconds,
        "weaviate_restore_thumbnails_per_second": thumbnails / restored["thumbnails"],
        "weaviate_thumbnails_against_insert_many": (
            bare.thumbnails_seconds / restored["thumbnails"]
        ),
        **{f"weaviate_restore_{name}_seconds": value for name, value in restored.items()},
        "weaviate_backup_seconds": saved,
        **kept,
    }


if __name__ == "__main__":
    main()
