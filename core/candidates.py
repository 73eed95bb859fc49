"""Which files are pictures of ours: asked by the scan, the watcher, verify and doctor alike."""

import os
import re
from collections.abc import Sequence

from pathspec import GitIgnoreSpec

from core.errors import ConfigError
from core.images import SUFFIXES

# Folders and files that file managers, downloads, editors and sync tools leave behind. Names that
# begin with a dot need no line here: hidden names are always ignored.
_NEVER = frozenset(
    b"@eadir #recycle #snapshot lost+found $recycle.bin __macosx thumbs.db".split()
) | {b"system volume information"}
_NEVER_BEGINS = b"~$"
_NEVER_ENDS = tuple(b"~ .part .partial .crdownload .download .tmp .temp .swp".split())
_SUFFIXES = frozenset(suffix.removeprefix(".").encode() for suffix in SUFFIXES)

_PLAIN = re.compile(
    rb"[\w!#$%&'()+,;=@^-][\w.!#$%&'()+,;=@^~ -]*\.(?:" + b"|".join(sorted(_SUFFIXES)) + rb")",
    re.IGNORECASE,
)
"""Names of pictures that no line above ignores, and that need no escape in path text."""


class Candidates:
    """The one answer to "is this file ours?", by name alone."""

    def __init__(self, ignore: Sequence[str] = ()) -> None:
        """`ignore` holds gitignore patterns, relative to each root. ConfigError if one is none."""
        try:
            self._spec = GitIgnoreSpec.from_lines(ignore) if ignore else None
        except ValueError as error:
            raise ConfigError(f"ignore: {error}") from None

    def plain(self, name: bytes) -> bool:
        """Whether a file of this name is wanted in any folder, and spelt as it is in path text. It
        saves a scan the other questions for nearly all of a million files."""
        return self._spec is None and _PLAIN.fullmatch(name) is not None

    def ignored(self, relative: bytes, *, is_dir: bool) -> bool:
        """Whether the entry itself is ignored; the caller has pruned the folders above it."""
        name = relative.rpartition(b"/")[2].lower()
        if name.startswith((b".", _NEVER_BEGINS)) or name.endswith(_NEVER_ENDS) or name in _NEVER:
            return True
        if self._spec is None:
            return False
        return self._spec.match_file(os.fsdecode(relative) + "/" * is_dir)

    def has_suffix(self, name: bytes) -> bool:
        """Whether the name ends like a picture, in any case."""
        stem, _, suffix = name.rpartition(b".")
        return suffix.lower() in _SUFFIXES and bool(stem.rpartition(b"/")[2].lstrip(b"."))

    def wanted(self, relative: bytes) -> bool:
        """Whether a file at this path would be indexed: no part of it ignored, suffix known."""
        parts = relative.split(b"/")
        folders = (b"/".join(parts[:depth]) for depth in range(1, len(parts)))
        return (
            self.has_suffix(parts[-1])
            and not any(self.ignored(folder, is_dir=True) for folder in folders)
            and not self.ignored(relative, is_dir=False)
        )
