"""The embedded store: a folder of LanceDB tables, written by one process and read by many."""

import hashlib
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from core.errors import StoreError
from core.stores import Catalogue, checked_catalogue
from core.stores import lance_arrow as arrow
from core.stores.lance_rows import TABLE_PREFIX, LanceStore
from core.stores.lance_tables import LanceTables, Table
from core.stores.lance_thumbnails import ThumbnailFolder

_CATALOGUE = "catalogue"
_CATALOGUE_SCHEMA = pa.schema(
    [
        ("created", pa.string()),
        ("serving", pa.string()),
        ("building", pa.string()),
        ("format", pa.int64()),
    ]
)
_INDEX_FROM = 50_000


class LanceDatabase:
    """A Database in a folder. Nothing is opened before it is asked for.

    Args:
        index_from: number of rows from which `maintain` builds a vector index.
    """

    def __init__(self, path: Path, *, writable: bool, index_from: int = _INDEX_FROM) -> None:
        self.address = str(path)
        self._tables = LanceTables(path.absolute(), writable=writable)
        self._thumbnails = ThumbnailFolder(path.absolute() / "thumbnails")
        self._writable = writable
        self._index_from = index_from

    def catalogue(self) -> Catalogue | None:
        """See Database."""
        rows = self._tables.read(_CATALOGUE, _rows, missing=list[dict[str, Any]]())
        if not rows:
            return None
        # A later format may have more columns; its number is refused all the same.
        known = {name: rows[0][name] for name in _CATALOGUE_SCHEMA.names if name in rows[0]}
        return checked_catalogue(Catalogue(**known), self.address)

    def claim(self) -> None:
        """See Database."""

    def write_catalogue(self, catalogue: Catalogue) -> None:
        """See Database."""
        row = pa.Table.from_pylist([asdict(catalogue)], schema=_CATALOGUE_SCHEMA)
        self._tables.create(_CATALOGUE, _CATALOGUE_SCHEMA)
        self._tables.write(_CATALOGUE, partial(_replace, row=row))

    def vectors(self, name: str, dim: int | None = None) -> LanceStore:
        """See Database."""
        self.catalogue()  # refuses a format that is too new
        table, schema = _table_name(name), arrow.schema(name, dim or 0)
        if self._writable and dim is not None:
            self._tables.create(table, schema)
            self._tables.sweep()
        found = self._tables.read(table, lambda table: table.schema, schema)
        if dim is None:
            schema = arrow.schema(name, found.field("vector").type.list_size)
        if found != schema or found.metadata[arrow.EMBEDDER] != schema.metadata[arrow.EMBEDDER]:
            raise StoreError(
                f"The table {table} in {self.address} was not made for {name} with {dim} numbers "
                "a vector. Please move the folder away and let the daemon build it anew."
            )
        return LanceStore(
            self._tables,
            self._thumbnails,
            table=table,
            schema=schema,
            index_from=self._index_from,
            keep_snapshot=not self._writable,
        )

    def drop(self, name: str) -> None:
        """See Database."""
        self._tables.drop(_table_name(name))

    def close(self) -> None:
        """See Database."""
        self._tables.close()


def _table_name(embedder: str) -> str:
    # A hash, as a name may hold what a file name may not.
    return TABLE_PREFIX + hashlib.sha256(embedder.encode()).hexdigest()[:12]


def _rows(table: Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.to_arrow().to_pylist()
    return rows


def _replace(table: Table, row: pa.Table) -> None:
    table.add(row, mode="overwrite")
