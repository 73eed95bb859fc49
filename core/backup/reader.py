"""Reading a backup: a file from anywhere, of which nothing is believed before it was checked."""

import hashlib
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from core.backup import (
    MANIFEST,
    PARTS,
    ROWS,
    THUMBNAILS,
    THUMBNAILS_SCHEMA,
    BackupError,
    Manifest,
    Progress,
    parse_manifest,
    rows_schema,
)
from core.backup.batches import read_batches
from core.backup.checks import any_twice, check_digests, check_rows, check_thumbnails
from core.backup.streams import BoundedFile
from core.records import ImageRecord
from core.stores import lance_arrow as arrow

_MOST_MANIFEST = 1 << 20
_DAMAGE = (
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    NotImplementedError,
    struct.error,
    pa.ArrowException,
)


class BackupReader:
    """An open backup. BackupError says, as a sentence, what is wrong with it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            self._stream = file.open("rb")
        except OSError as error:
            raise BackupError(f"{file} cannot be read: {error.strerror}.") from None
        try:
            with self._refusing():
                self._archive = zipfile.ZipFile(BoundedFile(self._stream))
                self.manifest = self._read_manifest()
        except BaseException:
            self._stream.close()
            raise

    def rows(self) -> Iterator[list[ImageRecord]]:
        """Every row, checked; the digest of all at the end."""
        places, roots = bytearray(), dict[str, int]()
        with self._refusing():
            for batch in self._batches(ROWS, rows_schema(self.manifest.dim)):
                check_rows(batch)
                piece = list(arrow.to_records(pa.Table.from_batches([batch])))
                for record in piece:
                    places += hashlib.blake2b(str(record.place).encode(), digest_size=16).digest()
                    roots[record.place.root] = roots.get(record.place.root, 0) + 1
                yield piece
            if roots != self.manifest.roots:
                raise BackupError("its rows are not those of its manifest")
            if any_twice(places):
                raise BackupError("a file stands in it twice")

    def thumbnails(self) -> Iterator[dict[str, bytes]]:
        """Every thumbnail by digest, checked; the digest of all at the end."""
        with self._refusing():
            for batch in self._batches(THUMBNAILS, THUMBNAILS_SCHEMA):
                check_digests(batch["digest"])
                some = dict(
                    zip(batch["digest"].to_pylist(), batch["jpeg"].to_pylist(), strict=True)
                )
                check_thumbnails(some)
                yield some

    def check(self, progress: Progress) -> None:
        """Read all of it once."""
        total, done = sum(part.rows for part in self.manifest.parts.values()), 0
        for some in self.rows():
            done += len(some)
            progress("Checking", done, total)
        for each in self.thumbnails():
            done += len(each)
            progress("Checking", done, total)

    def close(self) -> None:
        """Idempotent."""
        self._archive.close()
        self._stream.close()

    def _read_manifest(self) -> Manifest:
        infos = self._archive.infolist()
        if sorted(info.filename for info in infos) != sorted([*PARTS, MANIFEST]):
            raise BackupError("it is no backup of Lookalike")
        for info in infos:
            if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
                raise BackupError("a part of it is packed, which ours never are")
        if self._archive.getinfo(MANIFEST).file_size > _MOST_MANIFEST:
            raise BackupError("its manifest is too long")
        manifest = parse_manifest(self._archive.read(MANIFEST))
        for name, part in manifest.parts.items():
            if self._archive.getinfo(name).file_size != part.size_bytes:
                raise BackupError(f"{name} in it has another length than its manifest says")
        return manifest

    def _batches(self, name: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        with self._archive.open(name) as stream:
            yield from read_batches(stream, name, self.manifest.parts[name], schema)

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Whatever fails inside is the file's fault, and a sentence."""
        try:
            yield
        except Exception as error:
            if (reason := _reason(error)) is None:
                raise
            raise BackupError(
                f"{self._file} cannot be restored: {reason}. Nothing was changed."
            ) from error

    def __enter__(self) -> "BackupReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _reason(error: Exception) -> str | None:
    """What is wrong with the file; None where it is not the file's fault."""
    match error:
        case BackupError():
            return str(error)
        case zipfile.BadZipFile():
            return "it is no backup, or it is cut short or damaged"
        case MemoryError() | OverflowError():
            return "it is damaged: it asks for more memory than there is"
        case OSError() if error.errno:
            return f"it cannot be read ({error.strerror})"
    return "it is damaged" if isinstance(error, _DAMAGE) else None


def is_backup(file: Path) -> bool:
    """Whether it says so."""
    try:
        BackupReader(file).close()
    except BackupError:
        return False
    return True
