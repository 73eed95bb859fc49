"""Why a root is watched no more, or not all of it: the sentences."""

from core.paths import path_text
from core.records import Place
from daemon.signals import Trouble


class Lost(Exception):  # noqa: N818 - not an error: the root is armed anew
    """The watches of the root are worth nothing any more; the message is a sentence."""

    def __init__(self, trouble: Trouble, detail: str) -> None:
        super().__init__(detail)
        self.trouble = trouble


class Losses:
    """What happens to one root."""

    def __init__(self, root: str) -> None:
        self._root = root

    def gone(self, error: OSError | None = None) -> Lost:
        """Its folder is not there; `error` if it was asked for."""
        reason = error.strerror if error else "it was moved or deleted"
        return Lost(
            Trouble.ROOT_GONE,
            f"The folder of root '{self._root}' cannot be watched: {reason}. It is tried again.",
        )

    def changed(self) -> Lost:
        """Its path leads elsewhere."""
        return Lost(Trouble.ROOT_CHANGED, f"Another folder now lies where root '{self._root}' was.")

    def unmounted(self, path: bytes) -> str:
        """A disk at or below the root went."""
        return f"The disk of '{self._name(path)}' was unmounted."

    def overflow(self) -> str:
        """The kernel dropped events."""
        return f"Too many changes at once in root '{self._root}': all of it is compared."

    def limit(self, path: bytes, error: OSError) -> Lost:
        """The system has no watch left for a folder."""
        return Lost(
            Trouble.WATCH_LIMIT,
            f"'{self._name(path)}' cannot be watched ({error.strerror}): changes are found by the "
            "scans only. Raise fs.inotify.max_user_watches or max_user_instances.",
        )

    def _name(self, path: bytes) -> Place:
        return Place(self._root, path_text(path))
