"""One part of a backup as Arrow record batches, each no larger in memory than in the file."""

import struct
from collections.abc import Iterator
from typing import IO

import pyarrow as pa

from core.backup import BackupError, Part
from core.backup.streams import HashedReader


def read_batches(
    stream: IO[bytes], name: str, part: Part, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """Every batch; at the end BackupError unless all of it was what the manifest says."""
    hashed, count = HashedReader(stream), 0
    messages = pa.ipc.MessageReader.open_stream(hashed)
    if pa.ipc.read_schema(messages.read_next_message()) != schema:
        raise BackupError(f"{name} in it has other columns than it must have")
    while (batch := _next_batch(messages, schema)) is not None:
        count += len(batch)
        yield batch
    hashed.finish()
    if count != part.rows:
        raise BackupError(f"{name} in it has {count} rows, expected {part.rows}")
    if hashed.hash.hexdigest() != part.sha256:
        raise BackupError(f"{name} in it is damaged: its SHA-256 is another")


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
