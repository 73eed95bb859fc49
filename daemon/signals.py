"""What a watcher tells: where to look again, and why hints were or will be missing."""

import logging
from collections.abc import Callable
from enum import Enum
from typing import Protocol

logger = logging.getLogger(__name__)

Ignored = Callable[[str, bytes, bool], bool]
"""(root, relative path, is a folder) -> whether changes there are none of our business."""


class Trouble(Enum):
    """Why hints were or will be missing."""

    OVERFLOW = "overflow"
    """The kernel dropped events. The whole root is hinted once all of it is watched again."""
    UNMOUNT = "unmount"
    """The root, or a file system below it, was unmounted."""
    ROOT_GONE = "root-gone"
    """There is no such folder at the moment. It is armed and hinted when it appears."""
    ROOT_CHANGED = "root-changed"
    """Another folder lies at the root's path: re-created, or mounted over. It is armed anew."""
    WATCH_LIMIT = "watch-limit"
    """A limit of the system leaves folders unwatched; only a scan finds what changes in them."""
    READER_DIED = "reader-died"
    """An error of ours or the kernel's; the root is armed anew after a while."""


class Sink(Protocol):
    """Where hints go. Called from the watcher's threads: must be quick and never wait."""

    def hint(self, root: str, path: bytes, *, settled: bool) -> None:
        """Look at `path` (relative, b"" is the root) and below; `settled`: its writer is done."""
        ...

    def trouble(self, root: str, trouble: Trouble, detail: str) -> None:
        """Hints are missing; `detail` is a sentence without absolute paths."""
        ...


class SafeSink:
    """A sink whose errors end in the log, once, and never in the thread that reads events."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._complained = False

    def hint(self, root: str, path: bytes, *, settled: bool) -> None:
        """See Sink."""
        self._call(lambda: self._sink.hint(root, path, settled=settled))

    def trouble(self, root: str, trouble: Trouble, detail: str) -> None:
        """See Sink."""
        logger.warning("%s", detail)
        self._call(lambda: self._sink.trouble(root, trouble, detail))

    def _call(self, tell: Callable[[], None]) -> None:
        try:
            tell()
        except Exception:
            level = logging.DEBUG if self._complained else logging.ERROR
            self._complained = True
            logger.log(level, "A hint was lost; logged once, then for debugging", exc_info=True)
