"""How many pictures were embedded for the index, ever; survives SIGKILL."""

import logging
from pathlib import Path

from core.files import read_json, write_json

logger = logging.getLogger(__name__)


class EmbeddedTotal:
    """A count that belongs to one index: a new index begins at 0."""

    def __init__(self, file: Path, index: str) -> None:
        """`index` is the catalogue's `created`."""
        self._file = file
        self._index = index
        document = read_json(file)
        ours = isinstance(document, dict) and document.get("index") == index
        self.count: int = int(document.get("embedded_total", 0)) if ours else 0

    def add(self, count: int) -> None:
        """Written before it returns: a kill a moment later loses nothing. On a full disk the
        count is written with the next one: what was embedded is worth more than its number."""
        self.count += count
        try:
            write_json(self._file, {"index": self._index, "embedded_total": self.count})
        except OSError as error:
            logger.warning("%s cannot be written: %s.", self._file, error.strerror)
