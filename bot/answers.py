"""What was answered, kept in state/bot: its buttons work after a restart, without a forward pass.

Kept are ids, distances and the posted file's name; neither the picture nor its vector.
"""

import contextlib
import logging
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from core.files import read_json, write_json
from core.index import Timings

logger = logging.getLogger(__name__)

_MOST_KEPT = 5000
_PRUNE_EVERY = 250


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to one posted picture."""

    name: str
    """Of the posted file."""
    problem: str | None = None
    """Why there is no answer: a clause that follows the name."""
    model: str = ""
    timings_ms: Timings = field(default_factory=lambda: Timings(0, 0, 0))
    matches: tuple[tuple[str, float], ...] = ()
    """(image id, distance), nearest first."""


class Answers:
    """One file an answer, the oldest deleted. Blocking; to be called from a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written = 0

    def keep(self, found: list[Found]) -> str | None:
        """The key to it; None if it cannot be kept (a full disk): then there are no buttons."""
        key = secrets.token_hex(8)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if self._written % _PRUNE_EVERY == 0:
                self._prune()
            self._written += 1
            write_json(self._folder / f"{key}.json", [asdict(one) for one in found])
        except OSError as error:
            logger.warning("state/bot cannot be written, so answers have no More: %s", error)
            return None
        return key

    def recall(self, key: str) -> list[Found] | None:
        """None if it is too old, or lost."""
        document = read_json(self._folder / f"{key}.json")
        try:
            return [
                Found(
                    one["name"],
                    one["problem"],
                    one["model"],
                    Timings(**one["timings_ms"]),
                    tuple(
                        (str(image_id), float(distance)) for image_id, distance in one["matches"]
                    ),
                )
                for one in document
            ]
        except (KeyError, TypeError, ValueError):
            return None

    def _prune(self) -> None:
        files = list(self._folder.glob("*.json"))
        if len(files) <= _MOST_KEPT:
            return
        with contextlib.suppress(OSError):
            files.sort(key=lambda file: file.stat().st_mtime)
            for file in files[: len(files) - _MOST_KEPT]:
                file.unlink()
