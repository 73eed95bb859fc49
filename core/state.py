"""What the daemon says of itself: written by it alone, read by everyone through read_status."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from core.files import read_json, write_json
from core.records import FileStamp, Place

State = Literal["starting", "scanning", "watching", "suspended", "stopped", "unknown"]

STALE_SECONDS = 15
"""A status older than this was written by a daemon that no longer runs."""

_BY_CONCERN: tuple[State, ...] = (
    "unknown",
    "stopped",
    "suspended",
    "starting",
    "scanning",
    "watching",
)


@dataclass(frozen=True, slots=True)
class RootStatus:
    """How one root is."""

    state: State
    reason: str | None = None
    """Why it is suspended: a sentence."""
    indexed: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a long piece of work is."""

    done: int
    total: int
    per_second: float
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class Status:
    """The document of `lookalike status --json` (DESIGN section 5)."""

    state: State
    roots: dict[str, RootStatus]
    model: str | None
    store: str
    indexed: int
    pending: int = 0
    rejected: int = 0
    skipped: int = 0
    held_deletions: int = 0
    embedded_total: int = 0
    problems: list[str] = field(default_factory=list)
    last_scan: str | None = None
    drift: int | None = None
    """Differences that the last scan met and no event had told of; what changed while no daemon
    ran is among those of its first scan."""
    progress: Progress | None = None


def worst(states: list[State]) -> State:
    """The state that most needs a person's eye."""
    return min(states, key=_BY_CONCERN.index, default="unknown")


def utc_text(seconds: float) -> str:
    """Seconds since 1970 as 2026-01-01T00:00:00Z."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def write_status(folder: Path, status: Status, *, pid: int) -> None:
    """Replace status.json in the daemon's state folder."""
    write_json(folder / "status.json", {**asdict(status), "pid": pid, "updated": time.time()})


def read_status(folder: Path, *, clock: Callable[[], float] = time.time) -> Status | None:
    """The daemon's last words, its state `stopped` if they are old; None if there are none."""
    document = read_json(folder / "status.json")
    try:
        fresh = abs(clock() - document.pop("updated")) < STALE_SECONDS
        document.pop("pid")
        roots = {name: RootStatus(**root) for name, root in document.pop("roots").items()}
        progress = document.pop("progress", None)
        status = Status(roots=roots, progress=progress and Progress(**progress), **document)
    except (AttributeError, KeyError, TypeError):
        return None  # missing, damaged, or of another version
    if fresh:
        return status
    stopped = {name: RootStatus("stopped", r.reason, r.indexed) for name, r in roots.items()}
    document |= {"state": "stopped", "pending": 0}
    return Status(roots=stopped, **document)


@dataclass(frozen=True, slots=True)
class Rejection:
    """A file that is no picture we can index, as it was when it was tried."""

    stamp: FileStamp
    reason: str
    decoder: str
    """Version of the decoder; another one tries again."""


def write_rejections(folder: Path, rejections: dict[Place, Rejection]) -> None:
    """Replace rejected.json in the daemon's state folder."""
    rows: list[Any] = [
        [*place, list(rejection.stamp), rejection.reason, rejection.decoder]
        for place, rejection in rejections.items()
    ]
    write_json(folder / "rejected.json", rows)


def read_rejections(folder: Path) -> dict[Place, Rejection]:
    """What was rejected; empty where nothing was, or nobody remembers (then it is tried again)."""
    try:
        return {
            Place(root, path): Rejection(FileStamp(*stamp), reason, decoder)
            for root, path, stamp, reason, decoder in read_json(folder / "rejected.json") or []
        }
    except (TypeError, ValueError):
        return {}
