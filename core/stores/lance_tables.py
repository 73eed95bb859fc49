"""The tables of one Lance database: opened late, read again if they moved."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import pyarrow as pa

from core.errors import StoreError
from core.stores.lance_errors import FAILURES, store_error
from core.stores.lance_library import IvfRq, IvfSq, lancedb

_T = TypeVar("_T")

_PAUSES_SECONDS = (0.0, 0.05, 0.25)
"""Before each try to read: what vanished under a reader was replaced or dropped by the writer."""

_INDEX_CACHE_BYTES = 512 << 20  # lancedb's own limits are 6 GB and 1 GB, per process
_METADATA_CACHE_BYTES = 64 << 20

_DROPPED = "dropped-"

Table = Any
"""lancedb.table.Table; its annotations are no help, its methods are."""


class LanceTables:
    """Tables by name. A reader creates nothing, not even the folder."""

    def __init__(self, folder: Path, *, writable: bool) -> None:
        self.folder = folder
        self._writable = writable
        self._connection: Any = None
        self._open: dict[str, Table] = {}
        # Compaction must not race an upsert, and thumbnails come before their rows.
        self._lock = threading.RLock()

    def read(self, name: str, act: Callable[[Table], _T], missing: _T) -> _T:
        """What `act` makes of the table; `missing` where there is no such table."""
        for pause in _PAUSES_SECONDS:
            time.sleep(pause)
            try:
                table = self._table(name)
                return missing if table is None else act(table)
            except FAILURES as error:
                failure = error
                self._open.pop(name, None)
        raise store_error("read", self.folder, failure) from failure

    def write(self, name: str, act: Callable[[Table], _T]) -> _T:
        """What `act` makes of the table, which must exist."""
        with self.writing():
            table = self._table(name)
            if table is None:
                # Creating it here would hide that everything else is gone as well.
                raise StoreError(
                    f"The index in {self.folder} vanished while it was in use. "
                    "Please put the folder back, or restart the daemon to build it anew."
                )
            try:
                return act(table)
            except FAILURES:
                self._open.pop(name, None)
                raise

    def create(self, name: str, schema: pa.Schema) -> None:
        """Make sure the table exists."""
        with self.writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            if self._table(name) is None:
                self._open[name] = self._connect().create_table(name, schema=schema)

    def drop(self, name: str) -> None:
        """Delete the table if there is one."""
        with self.writing():
            self._open.pop(name, None)
            # Renamed first, which is one step: lancedb's own drop deletes file by file, and a
            # reader or the next writer would meet half a table.
            table = self.folder / f"{name}.lance"
            if table.exists():
                table.rename(self.folder / f"{_DROPPED}{uuid4().hex}")
            self.sweep()

    def sweep(self) -> None:
        """Delete what is left of dropped tables, also by a writer that was killed at it."""
        with self.writing():
            for dropped in self.folder.glob(f"{_DROPPED}*"):
                shutil.rmtree(dropped)

    def names(self, prefix: str) -> list[str]:
        """The tables whose name starts so."""
        return sorted(table.stem for table in self.folder.glob(f"{prefix}*.lance"))

    def sizes(self, prefix: str) -> dict[str, int]:
        """Bytes on disk of the tables whose name starts so, and of what is left of dropped ones."""
        folders = [*self.folder.glob(f"{prefix}*.lance"), *self.folder.glob(f"{_DROPPED}*")]
        return {folder.stem: sum(map(_size, folder.rglob("*"))) for folder in sorted(folders)}

    def pieces(self, name: str, columns: list[str], rows: int) -> Iterator[pa.Table]:
        """The table as it is now, whatever is written meanwhile, so many rows at a time."""
        try:
            if self._table(name) is None:
                return
            table = self._connect().open_table(name)
            table.checkout(table.version)
            for batch in table.search().select(columns).to_batches(rows):
                yield pa.Table.from_batches([batch])
        except FAILURES as error:
            raise store_error("read", self.folder, error) from error

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One writer at a time in this process; whatever fails is a StoreError."""
        if not self._writable:
            raise StoreError(f"The index in {self.folder} was opened for reading only.")
        with self._lock:
            try:
                yield
            except FAILURES as error:
                raise store_error("written", self.folder, error) from error

    def close(self) -> None:
        """Let go of every table."""
        self._open.clear()
        self._connection = None

    def _table(self, name: str) -> Table | None:
        table = self._open.get(name)
        if table is not None:  # its truth would cost a count of its rows
            return table
        try:
            os.stat(self.folder / f"{name}.lance")  # noqa: PTH116  Path.is_dir hides EACCES
        except FileNotFoundError:
            return None
        try:
            self._open[name] = self._connect().open_table(name)
        except ValueError as error:
            if "not found" not in str(error):
                raise
            return None  # being created, or its creation was killed: no version is there yet
        return self._open[name]

    def _connect(self) -> Any:
        if self._connection is None:
            self._connection = lancedb.connect(
                self.folder,
                read_consistency_interval=timedelta(0),  # every read sees the latest version
                session=lancedb.Session(_INDEX_CACHE_BYTES, _METADATA_CACHE_BYTES),
            )
        return self._connection


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:  # the writer has just replaced it
        return 0


def vector_index(dim: int) -> Any:
    """The kind of vector index we build.

    Four bits a dimension: with one, recall@10 fell to 0.6 on vectors without clusters and to 0.8
    on 16 dimensions; with four it was 0.998 and more wherever measured, at 28 MB for 100,000 x 384.
    """
    if dim % 8:  # which IVF_RQ cannot do
        return IvfSq(distance_type="cosine")
    return IvfRq(distance_type="cosine", num_bits=4)
