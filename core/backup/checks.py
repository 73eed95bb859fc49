"""What every row and every thumbnail of a backup must be, whoever wrote it."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.backup import JPEG, MOST_THUMBNAIL_BYTES, BackupError
from core.paths import ROOT_NAME, path_bytes, path_text
from core.stores.exact import UNIT_TOLERANCE

_DIGEST = r"\A[0-9a-f]{64}\z"
_PLAIN = r"\A[\w./!#$%&'()+,;=@^~-]*\z"
_NO_NAME = r"(\A|/)\.{0,2}(/|\z)"


def check_rows(batch: pa.RecordBatch) -> None:
    """BackupError unless a store may take them."""
    check_digests(batch["digest"])
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


def check_digests(column: pa.Array) -> None:
    """BackupError unless each is a SHA-256."""
    if not pc.all(pc.match_substring_regex(column, _DIGEST)).as_py() and len(column):
        raise BackupError("a digest in it is no SHA-256")


def check_thumbnails(thumbnails: Mapping[str, bytes]) -> None:
    """BackupError unless a page may show them."""
    for jpeg in thumbnails.values():
        if not jpeg.startswith(JPEG) or len(jpeg) > MOST_THUMBNAIL_BYTES:
            raise BackupError("a thumbnail is no JPEG file of ours")


def any_twice(digests: bytearray) -> bool:
    """Whether two of these digests of 16 bytes each are the same."""
    numbers = np.frombuffer(digests, np.uint64).reshape(-1, 2)
    ordered = numbers[np.lexsort((numbers[:, 0], numbers[:, 1]))]
    return bool((ordered[1:] == ordered[:-1]).all(axis=1).any())


def _is_path_text(text: str) -> bool:
    spelled = path_bytes(text)
    return path_text(spelled) == text and b"\0" not in spelled
