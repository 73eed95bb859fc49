"""What a sync says of itself."""

from dataclasses import dataclass, field

from core.records import Place


@dataclass
class SyncReport:
    """What one sync did and what it left."""

    unchanged: int = 0
    written: int = 0
    embedded: int = 0
    deleted: int = 0
    found: int = 0
    """Differences between index and disk that this sync met."""
    drift: int = 0
    """How many of them nobody had announced: changes of which no event told."""
    again: list[Place] = field(default_factory=list)
    """Files that are being written: to be looked at again soon."""
    racy: list[Place] = field(default_factory=list)
    """Files read so shortly after a change that a later one may go unnoticed: to be looked at
    again once the clock of any file system has ticked."""
    failed: dict[Place, str] = field(default_factory=dict)
    """Places that could not be read, and why; their rows stay as they are."""
    suspended: dict[str, str] = field(default_factory=dict)
    """Roots left alone, and why."""
    skipped: dict[str, int] = field(default_factory=dict)
    """Files that are no pictures, by root; of complete scans only."""
    stopped: bool = False
