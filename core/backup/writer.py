"""Writing a backup: streamed into a file beside, which then takes the name in one step."""

import fcntl
import os
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from core.backup import (
    FORMAT,
    JPEG,
    MANIFEST,
    MOST_THUMBNAIL_BYTES,
    ROWS,
    THUMBNAILS,
    THUMBNAILS_SCHEMA,
    BackupError,
    Manifest,
    Part,
    Progress,
    rows_schema,
)
from core.backup.reader import is_backup
from core.backup.streams import HashedWriter
from core.errors import AppError, StoreAwayError, StoreError
from core.records import ImageRecord
from core.state import utc_text
from core.stores import Catalogue, Database, VectorStore
from core.stores.scopes import chunks

_TRIES = 3
_THUMBNAILS_AT_ONCE = 256
_NO_INDEX = "There is nothing to back up: nothing is indexed yet."


def write_backup(
    database: Database, file: Path, embedded_total: Callable[[str], int | None], progress: Progress
) -> Manifest:
    """Write the index that answers, whatever is written to it meanwhile.

    AppError if there is none, or the file cannot be written; then what had its name still has it.

    Args:
        embedded_total: asked with the index's id.
    """
    with _beside(file) as stream:
        for attempt in range(_TRIES):
            catalogue = database.catalogue()
            if catalogue is None:
                raise AppError(_NO_INDEX)
            stream.seek(0)
            stream.truncate()
            try:
                total = embedded_total(catalogue.created)
                manifest = _write(database, catalogue, stream, total, progress)
                now = database.catalogue()
                if now and (now.serving, now.edition) == (catalogue.serving, catalogue.edition):
                    return manifest
            except StoreAwayError:
                raise
            except StoreError:
                # Another model took over, or compaction deleted the version that was being read.
                if attempt == _TRIES - 1:
                    raise
        raise StoreError("The index was replaced again and again while it was backed up.")


def _write(
    database: Database,
    catalogue: Catalogue,
    stream: IO[bytes],
    embedded_total: int | None,
    progress: Progress,
) -> Manifest:
    store = database.vectors(catalogue.serving)
    roots: dict[str, int] = {}
    digests = set[bytes]()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        rows = _write_part(
            archive, ROWS, rows_schema(store.dim), _row_batches(store, roots, digests, progress)
        )
        thumbnails = _write_part(
            archive, THUMBNAILS, THUMBNAILS_SCHEMA, _thumbnail_batches(store, digests, progress)
        )
        manifest = Manifest(
            created=utc_text(time.time()),
            index=catalogue.created,
            embedder=catalogue.serving,
            dim=store.dim,
            embedded_total=embedded_total,
            roots=dict(sorted(roots.items())),
            parts={ROWS: rows, THUMBNAILS: thumbnails},
            format=FORMAT,
        )
        archive.writestr(MANIFEST, manifest.to_json())
    return manifest


def _write_part(
    archive: zipfile.ZipFile, name: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]
) -> Part:
    count = 0
    with (
        archive.open(name, "w", force_zip64=True) as stream,
        closing(HashedWriter(stream)) as hashed,
    ):
        with pa.ipc.new_stream(hashed, schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
                count += len(batch)
        return Part(count, hashed.size_bytes, hashed.hash.hexdigest())


def _row_batches(
    store: VectorStore, roots: dict[str, int], digests: set[bytes], progress: Progress
) -> Iterator[pa.RecordBatch]:
    total, done = store.count(), 0
    schema = rows_schema(store.dim)
    for piece in store.rows():
        for record in piece:
            roots[record.place.root] = roots.get(record.place.root, 0) + 1
            digests.add(bytes.fromhex(record.digest))
        yield _to_batch(piece, schema)
        done += len(piece)
        progress("Saving rows", done, max(done, total))


def _to_batch(piece: list[ImageRecord], schema: pa.Schema) -> pa.RecordBatch:
    dim = schema.field("vector").type.list_size
    columns: list[Any] = [
        [record.place.root for record in piece],
        [record.place.path for record in piece],
        *([record.stamp[field] for record in piece] for field in range(4)),
        [record.digest for record in piece],
        [record.racy for record in piece],
    ]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=False)]
    stacked = np.concatenate([record.vector for record in piece])
    arrays.append(pa.FixedSizeListArray.from_arrays(stacked, dim))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _thumbnail_batches(
    store: VectorStore, digests: set[bytes], progress: Progress
) -> Iterator[pa.RecordBatch]:
    done = 0
    for some in chunks(sorted(digests), _THUMBNAILS_AT_ONCE):
        found = store.thumbnails([digest.hex() for digest in some])
        fitting = {
            digest: jpeg
            for digest, jpeg in found.items()
            if jpeg.startswith(JPEG) and len(jpeg) <= MOST_THUMBNAIL_BYTES
        }
        columns = [
            pa.array(list(fitting), pa.string()),
            pa.array(list(fitting.values()), pa.binary()),
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=THUMBNAILS_SCHEMA)
        done += len(some)
        progress("Saving thumbnails", done, len(digests))


@contextmanager
def _beside(file: Path) -> Iterator[IO[bytes]]:
    """A file that takes the name, durably, once all went well."""
    if file.exists() and not is_backup(file):
        raise BackupError(f"{file} is there and is no backup: it is not replaced.")
    part = file.with_name(f".{file.name}.part")
    try:
        # Private, as thumbnails are; what a killed backup left is overwritten.
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(descriptor), part.stat()):
                raise BlockingIOError  # whoever had it finished between our two steps
            try:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
                part.replace(file)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
        _sync_folder(file.parent)
    except BlockingIOError:
        raise AppError(f"Another backup to {file} is under way.") from None
    except OSError as error:
        raise AppError(
            f"{file} cannot be written: {error.strerror}. "
            "Check the folder, its permissions and the free space."
        ) from None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
