"""What the checks are given, and what one leaves to the next."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cli.doctor.tree import Tree
from core.config import Config

Show = Callable[[str, int, int | None], None]
"""What is being done, how far it is, and of how many where that is known."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Measured here, on pictures of the tree; per second."""

    together: float
    """Reading, decoding and embedding side by side, as the daemon does it."""
    embedded: float
    decoded: float | None
    """None where there was no picture to decode."""
    thumbnail_bytes: float | None


@dataclass(frozen=True, slots=True)
class Stored:
    """What the index holds."""

    embedder: str
    rows: int


@dataclass
class Facts:
    """None, and no tree: not found out, as the check before could not."""

    config_file: Path
    config: Config
    show: Show
    trees: dict[str, Tree] = field(default_factory=dict)
    embedder: str | None = None
    """Name of the configured model with the weights that are here."""
    dim: int | None = None
    pace: Pace | None = None
    process_bytes: int | None = None
    """Memory of a process that has the model loaded."""
    stored: Stored | None = None
    server_seconds: float | None = None
    """How far the clock of the index's server is ahead of ours."""

    @property
    def pictures(self) -> int:
        """Candidates below every root that could be read."""
        return sum(tree.pictures for tree in self.trees.values())

    @property
    def folders(self) -> int:
        """Folders that are to be watched."""
        return sum(tree.findings.folders for tree in self.trees.values())
