"""The embedded store: a folder of LanceDB tables, written by one process and read by many."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from core.errors import StoreError
from core.stores import Catalogue, Holding, Role, checked_catalogue, table_name
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
        ("edition", pa.string()),
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
        self._stores: dict[str, LanceStore] = {}
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

    def vectors(
        self, name: str, dim: int | None = None, *, edition: str | None = None
    ) -> LanceStore:
        """See Database."""
        catalogue = self.catalogue()  # refuses a format that is too new
        if edition is None:
            edition = catalogue.edition_of(name) if catalogue else ""
        table, schema = _table_name(name, edition), arrow.schema(name, dim or 0)
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
        known = self._stores.get(table)
        if known is None or known.dim != schema.field("vector").type.list_size:
            known = self._stores[table] = LanceStore(
                self._tables,
                self._thumbnails,
                table=table,
                schema=schema,
                index_from=self._index_from,
                keep_snapshot=not self._writable,
            )
        return known

    def drop(self, name: str) -> None:
        """See Database."""
        catalogue = self.catalogue()
        self._drop(_table_name(name, catalogue.edition_of(name) if catalogue else ""))

    def holdings(self) -> list[Holding]:
        """See Database."""
        roles = self._roles()
        return [
            Holding(
                table,
                self._tables.read(table, _embedder, None),
                self._tables.read(table, lambda table: int(table.count_rows()), 0),
                size_bytes,
                roles.get(table, "leftover"),
            )
            for table, size_bytes in self._tables.sizes(TABLE_PREFIX).items()
        ]

    def sweep(self) -> None:
        """See Database."""
        if roles := self._roles():
            for table in self._tables.names(TABLE_PREFIX):
                if table not in roles:
                    self._drop(table)
        with self._tables.writing():
            self._tables.sweep()

    def _roles(self) -> dict[str, Role]:
        catalogue = self.catalogue()
        roles = catalogue.roles if catalogue else {}
        return {_table_name(*key): role for key, role in roles.items()}

    def _drop(self, table: str) -> None:
        self._stores.pop(table, None)
        self._tables.drop(table)

    def close(self) -> None:
        """See Database."""
        self._tables.close()


def _table_name(embedder: str, edition: str) -> str:
    return TABLE_PREFIX + table_name(embedder, edition)


def _embedder(table: Table) -> str:
    name: bytes = table.schema.metadata[arrow.EMBEDDER]
    return name.decode()


def _rows(table: Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.to_arrow().to_pylist()
    return rows


def _replace(table: Table, row: pa.Table) -> None:
    table.add(row, mode="overwrite")
