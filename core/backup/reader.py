"""Reading a backup: a file from anywhere, of which nothing is believed before it was checked."""

import hashlib
import os
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.backup import (
    JPEG,
    MANIFEST,
    MOST_THUMBNAIL_BYTES,
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
from core.paths import ROOT_NAME, path_bytes, path_text
from core.records import ImageRecord
from core.stores import lance_arrow as arrow
from core.stores.exact import UNIT_TOLERANCE

_MOST_AT_ONCE = 256 << 20
"""Bytes of one message; ours have some megabytes."""
_MOST_MANIFEST = 1 << 20
_FAILURES = (
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    NotImplementedError,
    struct.error,
    zipfile.BadZipFile,
    pa.ArrowException,
)
_DIGEST = r"\A[0-9a-f]{64}\z"
_PLAIN = r"\A[\w./!#$%&'()+,;=@^~-]*\z"
_NO_NAME = r"(\A|/)\.{0,2}(/|\z)"


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
                self._archive = zipfile.ZipFile(_Modest(self._stream))
                self.manifest = self._read_manifest()
        except BaseException:
            self._stream.close()
            raise

    def rows(self) -> Iterator[list[ImageRecord]]:
        """Every row, checked; the digest of all at the end."""
        manifest = self.manifest
        places, roots = bytearray(), dict[str, int]()
        for batch in self._batches(ROWS, rows_schema(manifest.dim)):
            with self._refusing():
                _check_rows(batch)
                piece = list(arrow.to_records(pa.Table.from_batches([batch])))
            for record in piece:
                places += hashlib.blake2b(str(record.place).encode(), digest_size=16).digest()
                roots[record.place.root] = roots.get(record.place.root, 0) + 1
            yield piece
        with self._refusing():
            if roots != manifest.roots:
                raise BackupError("its rows are not those of its manifest")
            if _any_twice(places):
                raise BackupError("a file stands in it twice")

    def thumbnails(self) -> Iterator[dict[str, bytes]]:
        """Every thumbnail by digest, checked; the digest of all at the end."""
        for batch in self._batches(THUMBNAILS, THUMBNAILS_SCHEMA):
            with self._refusing():
                _check_digests(batch["digest"])
                some = dict(
                    zip(batch["digest"].to_pylist(), batch["jpeg"].to_pylist(), strict=True)
                )
                for jpeg in some.values():
                    if not jpeg.startswith(JPEG) or len(jpeg) > MOST_THUMBNAIL_BYTES:
                        raise BackupError("a thumbnail is no JPEG file of ours")
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
        part, count = self.manifest.parts[name], 0
        with self._refusing():
            stream = self._archive.open(name)
        hashed = _Hashed(stream)
        try:
            with self._refusing():
                messages = pa.ipc.MessageReader.open_stream(hashed)
                found = pa.ipc.read_schema(messages.read_next_message())
                if found != schema:
                    raise BackupError(f"{name} in it has other columns than it must have")
            while True:
                with self._refusing():
                    batch = _next_batch(messages, schema)
                if batch is None:
                    break
                count += len(batch)
                yield batch
            with self._refusing():
                hashed.finish()
                if count != part.rows:
                    raise BackupError(f"{name} in it has {count} rows, expected {part.rows}")
                if hashed.hash.hexdigest() != part.sha256:
                    raise BackupError(f"{name} in it is damaged: its SHA-256 is another")
        finally:
            stream.close()

    def _refusing(self) -> "_Refusing":
        return _Refusing(self)

    def _refusal(self, error: BaseException) -> BaseException:
        if isinstance(error, BackupError):
            return BackupError(f"{self._file} cannot be restored: {error}. Nothing was changed.")
        if isinstance(error, zipfile.BadZipFile):
            reason = "it is no backup, or it is cut short or damaged"
        elif isinstance(error, MemoryError | OverflowError):
            reason = "it is damaged: it asks for more memory than there is"
        elif isinstance(error, OSError) and error.errno:
            reason = f"it cannot be read ({error.strerror})"
        elif isinstance(error, _FAILURES):
            reason = "it is damaged"
        else:
            return error
        return BackupError(f"{self._file} cannot be restored: {reason}. Nothing was changed.")

    def __enter__(self) -> "BackupReader":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Refusing:
    """Whatever fails inside is the file's fault, and a sentence."""

    def __init__(self, reader: BackupReader) -> None:
        self._reader = reader

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception):
            raise self._reader._refusal(error) from error


def is_backup(file: Path) -> bool:
    """Whether it says so."""
    try:
        BackupReader(file).close()
    except BackupError:
        return False
    return True


def _next_batch(messages: "pa.ipc.MessageReader", schema: pa.Schema) -> pa.RecordBatch | None:
    try:
        message = messages.read_next_message()
    except StopIteration:
        return None
    if message.type != "record batch":
        raise BackupError("it holds more than rows")
    if _is_packed(message.metadata):
        # A few bytes could become more than the memory holds.
        raise BackupError("its rows are packed, which ours never are")
    batch = pa.ipc.read_record_batch(message, schema)
    batch.validate(full=True)
    if any(column.null_count for column in batch.columns):
        raise BackupError("a value is missing")
    return batch


def _is_packed(metadata: pa.Buffer) -> bool:
    """Whether the flatbuffer of a record batch names a compression: the fourth field of the table
    in the third field of the message (Arrow, format/Message.fbs)."""
    data = metadata.to_pybytes()

    def field(table: int, number: int) -> int | None:
        vtable = table - struct.unpack_from("<i", data, table)[0]
        if 4 + 2 * number + 2 > struct.unpack_from("<H", data, vtable)[0]:
            return None
        offset = struct.unpack_from("<H", data, vtable + 4 + 2 * number)[0]
        return table + offset if offset else None

    message = struct.unpack_from("<I", data, 0)[0]
    header = field(message, 2)
    if header is None:
        return True
    batch = header + struct.unpack_from("<I", data, header)[0]
    return field(batch, 3) is not None


def _check_rows(batch: pa.RecordBatch) -> None:
    _check_digests(batch["digest"])
    if not all(map(ROOT_NAME.fullmatch, pc.unique(batch["root"]).to_pylist())):
        raise BackupError("a root in it has no valid name")
    paths = batch["path"]
    if pc.any(pc.match_substring_regex(paths, _NO_NAME)).as_py():
        raise BackupError("a path in it is not valid")
    odd = paths.filter(pc.invert(pc.match_substring_regex(paths, _PLAIN))).to_pylist()
    if not all(map(_is_path_text, odd)):
        raise BackupError("a path in it is not valid")
    if (pc.min(batch["size_bytes"]).as_py() or 0) < 0:
        raise BackupError("a size in it is negative")
    vectors = batch["vector"]
    if vectors.flatten().null_count:
        raise BackupError("a value is missing")
    with np.errstate(all="ignore"):  # NaN and infinity are refused below
        stacked = vectors.flatten().to_numpy().reshape(len(batch), -1).astype(np.float64)
        lengths = np.sqrt(np.einsum("ij,ij->i", stacked, stacked))
    if not (np.abs(lengths - 1) <= UNIT_TOLERANCE).all():  # false for NaN, too
        raise BackupError("a vector in it is not of unit length")


def _check_digests(column: pa.Array) -> None:
    if not pc.all(pc.match_substring_regex(column, _DIGEST)).as_py() and len(column):
        raise BackupError("a digest in it is no SHA-256")


def _is_path_text(text: str) -> bool:
    spelled = path_bytes(text)
    return path_text(spelled) == text and b"\0" not in spelled


def _any_twice(digests: bytearray) -> bool:
    numbers = np.frombuffer(digests, np.uint64).reshape(-1, 2)
    ordered = numbers[np.lexsort((numbers[:, 0], numbers[:, 1]))]
    return bool((ordered[1:] == ordered[:-1]).all(axis=1).any())


class _Hashed:
    """A part to read from; no message may be larger than _MOST_AT_ONCE."""

    closed = False

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MOST_AT_ONCE:
            raise BackupError("it asks for more at once than ours ever do")
        data = self._stream.read(size)
        self.hash.update(data)
        return data

    def finish(self) -> None:
        """Nothing may follow."""
        if self._stream.read(1):
            raise BackupError("something follows its end")

    def tell(self) -> int:
        return self._stream.tell()

    def close(self) -> None:
        pass


class _Modest:
    """The whole file for zipfile, which reads the list of what is in it at once."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        if size > _MOST_AT_ONCE:
            raise BackupError("it asks for more at once than ours ever do")
        return self._stream.read(min(_MOST_AT_ONCE, size) if size >= 0 else _MOST_AT_ONCE)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        pass
