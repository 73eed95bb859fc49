"""Names on file systems to which several spellings are one: no matter the case, or how accents are
written. There, a file that is renamed from IMG.jpg to img.jpg is still found under its old name."""

import errno
import os
import unicodedata
from collections.abc import Iterator


def lstat_as_spelt(path: bytes) -> os.stat_result:
    """lstat, but FileNotFoundError where the folder lists the file under another spelling only."""
    status = os.lstat(path)
    folder, name = os.path.split(path)
    for other in _other_spellings(name):
        try:
            twin = os.lstat(os.path.join(folder, other))
        except OSError:
            continue
        if os.path.samestat(status, twin):  # or two hard links: the list of names tells
            if name in os.listdir(folder):
                return status
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    return status


def folds_case(path: bytes) -> bool:
    """Whether the folder gives the file at `path` under its name in the other case, too, without
    listing it so."""
    folder, name = os.path.split(path)
    twin = os.path.join(folder, os.fsencode(os.fsdecode(name).swapcase()))
    try:
        if twin == path or not os.path.samestat(os.lstat(path), os.lstat(twin)):
            return False
        return os.path.basename(twin) not in os.listdir(folder)  # or it is another hard link
    except (OSError, UnicodeEncodeError):
        return False


def _other_spellings(name: bytes) -> Iterator[bytes]:
    text = os.fsdecode(name)
    others = {text.swapcase()}
    if not name.isascii():
        others |= {unicodedata.normalize(form, text) for form in ("NFC", "NFD")}
    for other in others - {text}:
        try:
            yield os.fsencode(other)
        except UnicodeEncodeError:  # no file system has such a name
            continue
