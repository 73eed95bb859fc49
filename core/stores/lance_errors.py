"""What Lance raises -> a StoreError with a sentence a person can act on."""

import errno
import os
import re
from pathlib import Path

import pyarrow as pa

from core.errors import StoreError

FAILURES = (OSError, RuntimeError, ValueError, pa.ArrowException)
"""Lance raises RuntimeError and ValueError, its Python side and the folders OSError."""

_SPACE = "free some space"
_RIGHTS = "give this user the right to read and write there"
_ADVICE = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EFBIG: _SPACE,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EROFS: "mount it writable",
    errno.ENOTDIR: "name a folder under 'store' in the configuration",
    errno.EEXIST: "name a folder under 'store' in the configuration",
    errno.EMFILE: "raise the limit of open files",
}
_DAMAGED = (
    "try again; if it stays, the index is damaged: stop the daemon, move the folder away "
    "and let the daemon build it anew"
)
_OS_ERROR = re.compile(r"os error (\d+)")
_SOURCE = re.compile(r",? *(/\S*/)?[\w./-]+\.rs:\d+(:\d+)?")


def store_error(verb: str, folder: Path, error: BaseException) -> StoreError:
    """The sentence for `error`, which struck while the index was to be `verb`."""
    number, reason = _reason(error)
    advice = _ADVICE.get(number, _DAMAGED)
    return StoreError(f"The index in {folder} cannot be {verb}: {reason}. Please {advice}.")


def _reason(error: BaseException) -> tuple[int, str]:
    text = str(error)
    if isinstance(error, OSError) and error.errno:
        return error.errno, error.strerror or text
    if match := _OS_ERROR.search(text):
        number = int(match[1])
        return number, os.strerror(number)
    first = _SOURCE.sub("", text.splitlines()[0] if text else type(error).__name__)
    return 0, first.strip().rstrip(".")
