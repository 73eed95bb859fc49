"""Says whether the index equals the disk, by a way of its own: walk, hash, compare.

Shares no code with scanner, plan or verify; only the store and the spelling of names are the
product's, because the rows cannot be read without them.
"""

import hashlib
import os
import stat
import time
from collections.abc import Callable, Collection
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from core.bootstrap import open_database
from core.config import load_config
from core.paths import path_bytes
from core.records import Place
from tests.project import Project

SUFFIXES = (b".jpg", b".jpeg", b".png")
"""Of the pictures that the fault suite makes."""
Hashes = dict[bytes, str]


class Differences(NamedTuple):
    """Paths relative to the root; all empty where index and disk are equal."""

    missing: set[bytes]
    extra: set[bytes]
    stale: set[bytes]
    doubled: int
    """Rows beyond the first of a path."""

    @property
    def count(self) -> int:
        """Of all kinds."""
        return len(self.missing) + len(self.extra) + len(self.stale) + self.doubled


def on_disk(folder: Path | bytes) -> Hashes:
    """SHA-256 of every picture below the folder, by its relative path; follows no symlink."""
    base = os.fsencode(folder)
    found: Hashes = {}
    for parent, folders, names in os.walk(base):
        folders[:] = [name for name in folders if not name.startswith(b".")]
        for name in names:
            path = os.path.join(parent, name)
            if name.startswith(b".") or not name.lower().endswith(SUFFIXES):
                continue
            with suppress(FileNotFoundError):  # somebody is still at it
                if stat.S_ISREG(os.lstat(path).st_mode):
                    with open(path, "rb") as file:
                        digest = hashlib.file_digest(file, "sha256").hexdigest()
                    found[os.path.relpath(path, base)] = digest
    return found


def in_store(project: Project, root: str = "dataset") -> tuple[Hashes, int]:
    """Digest of every row of the root, by relative path; and how many rows are one too many."""
    project.command("status")  # writes config.yaml
    config = load_config(project.folder / "config.yaml", {})
    with closing(open_database(config, writable=False)) as database:
        catalogue = database.catalogue()
        if catalogue is None:
            return {}, 0
        store = database.vectors(catalogue.serving)
        rows = store.stamps([Place(root, "")])
        count = store.count([Place(root, "")])
    return {path_bytes(place.path): row.digest for place, row in rows.items()}, count - len(rows)


def compare(
    project: Project, folder: Path | bytes | None = None, *, bad: Collection[bytes] = ()
) -> Differences:
    """Index against disk. `folder` is where this process sees the root (default: the project's);
    `bad` are files that no decoder can read, which must have no row."""
    disk = on_disk(folder or project.dataset)
    rows, doubled = in_store(project)
    for path in bad:
        disk.pop(path, None)
    stale = {path for path in disk.keys() & rows.keys() if disk[path] != rows[path]}
    return Differences(disk.keys() - rows.keys(), rows.keys() - disk.keys(), stale, doubled)


def converge(
    project: Project,
    folder: Path | bytes | None = None,
    *,
    bad: Collection[bytes] = (),
    seconds: float = 60,
    meanwhile: Callable[[], object] = lambda: None,
) -> float:
    """Seconds until index and disk are equal; fails after `seconds`, naming some differences."""
    started = time.monotonic()
    while (found := compare(project, folder, bad=bad)).count:
        took = time.monotonic() - started
        if took > seconds:
            some = [f"{len(paths)} {sorted(paths)[:5]}" for paths in found[:3]]
            pytest.fail(f"{took:.0f} s: {some}\n{project.status()}\n{project.log()[-3000:]}")
        meanwhile()
        time.sleep(0.1)
    return time.monotonic() - started
