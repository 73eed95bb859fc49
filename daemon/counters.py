"""How many pictures were embedded for the index, ever; survives SIGKILL."""

from pathlib import Path

from core.files import read_json, write_json


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
        """Written before it returns: a kill a moment later loses nothing."""
        self.count += count
        write_json(self._file, {"index": self._index, "embedded_total": self.count})
