"""The embedders in memory."""

import ctypes
import logging
import sys
import threading
import time
from collections import OrderedDict, defaultdict

from core.embedders import Embedder
from core.serving.wanted import Wanted

logger = logging.getLogger(__name__)

MOST = 2
"""The one that serves, and the one whose index is being built."""


class Models:
    """Loads what is asked for, and keeps the last few; safe to call from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loading: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        """By model: whoever comes second finds what the first has loaded."""
        self._loaded: OrderedDict[str, Embedder] = OrderedDict()
        """By name; the one used last at the end."""
        self._made: dict[Wanted, tuple[tuple[object, ...], str]] = {}
        """What a configuration made of which file: its name."""

    def __len__(self) -> int:
        return len(self._loaded)

    def known(self, wanted: Wanted) -> Embedder | None:
        """The embedder of this name, if it is in memory; never waits for a load."""
        return self._find(wanted.name)

    def load(self, wanted: Wanted) -> Embedder:
        """From memory, or loaded now, which may take minutes. ConfigError, ModelError."""
        with self._loading[wanted.model]:
            stamp = wanted.file_stamp() if wanted.name is None else ()
            before, name = self._made.get(wanted, (stamp, wanted.name))
            if before == stamp and (found := self._find(name)):
                return found
            started = time.perf_counter()
            embedder = wanted.open()
            _give_back()
            logger.info("%s loaded in %.1f s", embedder.name, time.perf_counter() - started)
            with self._lock:
                self._loaded[embedder.name] = embedder
                self._loaded.move_to_end(embedder.name)
                while len(self._loaded) > MOST:
                    self._loaded.popitem(last=False)
                if wanted.name is None:
                    self._made[wanted] = (stamp, embedder.name)
            return embedder

    def _find(self, name: str | None) -> Embedder | None:
        with self._lock:
            if name is None or name not in self._loaded:
                return None
            self._loaded.move_to_end(name)
            return self._loaded[name]


def _give_back() -> None:
    """What loading has freed goes back to the system: the weights were there twice."""
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)
