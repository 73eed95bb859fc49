"""Path text: the one spelling of a file's name outside this module.

The path relative to its root, as UTF-8; each byte that is not valid UTF-8, each control character,
each backslash, and a blank at the start or end of a name is written ``\\xNN``. Reversible.
"""

import os
import re

from core.errors import UsageError
from core.records import Place

ROOT_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")

_CONTROL = r"\x00-\x1f\x7f-\x9f"  # C0, DEL, C1
# \s at the edges because stores trim every Unicode blank there, not only the space.
_TO_ESCAPE = re.compile(rf"[{_CONTROL}\\]|\A\s|\s\Z|[\udc80-\udcff]")
_PLAIN = re.compile(rb"[\w./!#$%&'()+,;=@^~-]*", re.ASCII)
_ESCAPE = re.compile(rb"\\x([0-9a-f]{2})")


def _escape(match: re.Match[str]) -> str:
    return "".join(f"\\x{byte:02x}" for byte in match[0].encode("utf-8", "surrogateescape"))


def path_text(relative: str | bytes) -> str:
    """The path text of a path relative to its root, as the file system spells it."""
    spelled = os.fsencode(relative)
    if _PLAIN.fullmatch(spelled):  # nearly all: a scan asks this by the million
        return spelled.decode("ascii")
    names = spelled.decode("utf-8", "surrogateescape").split("/")
    return "/".join(_TO_ESCAPE.sub(_escape, name) for name in names)


def path_bytes(text: str) -> bytes:
    """The file system's spelling of a path text. Not every text is one: compare
    `path_text(path_bytes(text)) == text` where it comes from outside."""
    return _ESCAPE.sub(lambda m: bytes([int(m[1], 16)]), text.encode("utf-8", "surrogateescape"))


def parse_under(text: str) -> Place:
    """The place named by `ROOT` or `ROOT/folder/…`; a trailing slash is ignored.

    Raises UsageError on an empty, "." or ".." segment. An unknown root or folder is no error.
    """
    root, *segments = text.removesuffix("/").split("/")
    if not root or any(segment in ("", ".", "..") for segment in [root, *segments]):
        raise UsageError(
            f"'{text}' names no folder: write ROOT or ROOT/folder, without '.', '..' or '//'."
        )
    return Place(root, "/".join(segments))
