"""A backup: one file that holds an index, so that another machine or store need embed nothing.

docs/backup.md has the format. Writing needs the reader's right only; reading trusts nothing.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from core.embedders import parse_name
from core.errors import AppError
from core.paths import ROOT_NAME

KIND = "lookalike-backup"
FORMAT = 1
"""Number of the layout written by this version; a file with a higher one is refused."""

MANIFEST, ROWS, THUMBNAILS = "manifest.json", "rows.arrow", "thumbnails.arrow"
PARTS = (ROWS, THUMBNAILS)

MOST_DIMENSIONS = 65_536
MOST_THUMBNAIL_BYTES = 1 << 20
JPEG = b"\xff\xd8\xff"

Progress = Callable[[str, int, int], object]
"""Hears what is being done, how much of it is done, and of how much."""

_NAME = re.compile(r"[\w.\-]+/[\w.\-]+/[\w.\-]+", re.ASCII)
_INDEX = re.compile(r"[0-9a-zA-Z-]{1,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


class BackupError(AppError):
    """The file is no backup that can be restored; the message says why."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the file."""

    rows: int
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself."""

    created: str
    """When, as 2026-01-01T00:00:00Z."""
    index: str
    """The catalogue's `created`: which index this is."""
    embedder: str
    dim: int
    embedded_total: int | None
    """None where the daemon's notes could not be read."""
    roots: Mapping[str, int]
    """Rows of each root."""
    parts: Mapping[str, Part]
    format: int = FORMAT
    kind: str = KIND

    def to_json(self) -> bytes:
        """The document."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=2).encode() + b"\n"


def rows_schema(dim: int) -> pa.Schema:
    """Columns of ROWS; none of them is ever null."""
    return pa.schema(
        [
            pa.field("root", pa.string(), nullable=False),
            pa.field("path", pa.string(), nullable=False),
            pa.field("size_bytes", pa.int64(), nullable=False),
            pa.field("mtime_ns", pa.int64(), nullable=False),
            pa.field("ctime_ns", pa.int64(), nullable=False),
            pa.field("inode", pa.uint64(), nullable=False),
            pa.field("digest", pa.string(), nullable=False),
            pa.field("racy", pa.bool_(), nullable=False),
            pa.field("vector", pa.list_(pa.float32(), dim), nullable=False),
        ]
    )


THUMBNAILS_SCHEMA = pa.schema(
    [
        pa.field("digest", pa.string(), nullable=False),
        pa.field("jpeg", pa.binary(), nullable=False),
    ]
)


def parse_manifest(text: bytes) -> Manifest:
    """BackupError with a sentence's second half unless this version can restore it."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise BackupError("its manifest is damaged") from None
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise BackupError("it is no backup of Lookalike")
    number = document.get("format")
    if isinstance(number, int) and number > FORMAT:
        raise BackupError(
            f"it has format {number}, this version reads up to {FORMAT}: please update Lookalike"
        )
    try:
        parts = {
            name: Part(part["rows"], part["size_bytes"], part["sha256"])
            for name, part in document.pop("parts").items()
        }
        manifest = Manifest(parts=parts, **document)
    except (AttributeError, KeyError, TypeError):
        raise BackupError("its manifest is damaged") from None
    if wrong := next((name for name, right in _checks(manifest) if not right), None):
        raise BackupError(f"its manifest has a wrong {wrong}")
    return manifest


def _checks(manifest: Manifest) -> list[tuple[str, bool]]:
    parts, roots = manifest.parts, manifest.roots
    return [
        ("format", manifest.format == FORMAT),
        ("created", _is_text(_DATE, manifest.created)),
        ("index", _is_text(_INDEX, manifest.index)),
        ("embedder", _is_embedder(manifest.embedder)),
        ("dim", _is_count(manifest.dim) and 0 < manifest.dim <= MOST_DIMENSIONS),
        ("embedded_total", manifest.embedded_total is None or _is_count(manifest.embedded_total)),
        (
            "roots",
            isinstance(roots, dict)
            and all(_is_text(ROOT_NAME, name) and _is_count(n) for name, n in roots.items()),
        ),
        (
            "parts",
            set(parts) == set(PARTS)
            and all(
                _is_count(part.rows)
                and _is_count(part.size_bytes)
                and _is_text(_SHA256, part.sha256)
                for part in parts.values()
            ),
        ),
        (
            "number of rows",
            isinstance(roots, dict) and sum(roots.values()) == parts[ROWS].rows,
        ),
    ]


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def _is_text(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_embedder(value: Any) -> bool:
    if not _is_text(_NAME, value):
        return False
    try:
        parse_name(value)
    except ValueError:
        return False
    return True
