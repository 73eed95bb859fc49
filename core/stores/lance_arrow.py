"""Records as Arrow tables and back."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.records import FileStamp, ImageId, ImageRecord, IndexedStamp, Place

EMBEDDER = b"embedder"
"""Key of the embedder's full name in the schema's metadata; the table's name holds a hash."""

PLACE_COLUMNS = ["root", "path"]
_NUMBERS = ["size_bytes", "mtime_ns", "ctime_ns", "inode"]
STAMP_COLUMNS = [*PLACE_COLUMNS, *_NUMBERS, "digest", "racy"]
ROW_COLUMNS = [*STAMP_COLUMNS, "vector"]

_2_64 = 1 << 64

_Tuple = TypeVar("_Tuple", bound=tuple[Any, ...])


def schema(embedder: str, dim: int) -> pa.Schema:
    """The schema of an embedder's table. The key leads: Lance's merge wants it so."""
    return pa.schema(
        [
            ("id", pa.string()),
            ("root", pa.string()),
            ("path", pa.string()),
            *((name, pa.int64()) for name in _NUMBERS),
            ("digest", pa.string()),
            ("racy", pa.bool_()),
            ("vector", pa.list_(pa.float32(), dim)),
        ],
        metadata={EMBEDDER: embedder.encode()},
    )


def to_arrow(records: Sequence[ImageRecord], of: pa.Schema) -> pa.Table:
    """The records as rows."""
    dim = of.field("vector").type.list_size
    stacked = np.concatenate([record.vector for record in records])
    columns = [
        [record.id for record in records],
        [record.place.root for record in records],
        [record.place.path for record in records],
        *([_signed(record.stamp[field]) for record in records] for field in range(4)),
        [record.digest for record in records],
        [record.racy for record in records],
        pa.FixedSizeListArray.from_arrays(stacked, dim),
    ]
    return pa.Table.from_arrays([pa.array(c) for c in columns], schema=of)


def places(rows: pa.Table) -> list[Place]:
    """The place of each row."""
    return _tuples(Place, _list(rows, "root"), _list(rows, "path"))


def stamps(rows: pa.Table) -> list[IndexedStamp]:
    """The stamp of each row."""
    files = _tuples(FileStamp, *(column.tolist() for column in numbers(rows)))
    return _tuples(IndexedStamp, files, _list(rows, "digest"), _list(rows, "racy"))


def numbers(rows: pa.Table | Mapping[str, pa.Array]) -> list[NDArray[Any]]:
    """The columns that make a FileStamp."""
    *times, inodes = (rows[name].to_numpy() for name in _NUMBERS)
    return [*times, inodes.view(np.uint64)]


def vectors(rows: pa.Table) -> NDArray[np.float32]:
    """The vectors of the rows, (n, dim)."""
    column = rows["vector"].combine_chunks()
    # flatten() and not .values, which ignores a slice's offset.
    stacked: NDArray[np.float32] = column.flatten().to_numpy(zero_copy_only=False)
    return stacked.reshape(len(rows), column.type.list_size)


def records(rows: pa.Table) -> Iterable[tuple[ImageId, ImageRecord]]:
    """The rows by id."""
    for record in to_records(rows):
        yield record.id, record


def to_records(rows: pa.Table) -> Iterator[ImageRecord]:
    """The rows in order."""
    for place, (stamp, digest, racy), vector in zip(
        places(rows), stamps(rows), vectors(rows), strict=True
    ):
        yield ImageRecord(place, stamp, digest, vector, racy)


def _list(rows: pa.Table, column: str) -> list[Any]:
    # By way of numpy, as to_pylist makes a pyarrow scalar of each value first.
    values: list[Any] = rows[column].to_numpy(zero_copy_only=False).tolist()
    return values


def _tuples(kind: type[_Tuple], *columns: Iterable[object]) -> list[_Tuple]:
    # tuple.__new__ is what kind(...) comes to, at a third of the time: it counts by the million.
    return list(map(partial(tuple.__new__, kind), zip(*columns, strict=True)))


def _signed(number: int) -> int:
    """The number in 64 bits, two's complement: an inode may use all of them."""
    number %= _2_64
    return number - _2_64 if number >= _2_64 >> 1 else number
