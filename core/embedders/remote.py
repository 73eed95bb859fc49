"""An embedder whose model is in the process of the model service: no torch here."""

import logging
import threading
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from core.embedders import Embedder, check_pixels, parse_name
from core.errors import ModelError
from core.serving import MOST_PIXEL_BYTES
from core.serving.client import ModelService, NobodyThere
from core.serving.wanted import Wanted

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 20.0
"""A service that is being started again is waited for; one that stays away is done without."""
_MOST_DIM = 1 << 16


class RemoteEmbedder:
    """Asks the service; should it go and stay away, the model is loaded in this process."""

    def __init__(
        self,
        service: ModelService,
        wanted: Wanted,
        open_here: Callable[[str], Embedder],
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        most_bytes: int = MOST_PIXEL_BYTES,
    ) -> None:
        """Has the service load the model.

        NobodyThere without a service; ConfigError, WeightsMissing, ModelError as the embedder
        itself would raise them. `open_here` opens the embedder of a name in this process;
        `most_bytes` of pixels are sent at once.
        """
        answer, _ = service.ask(wanted.header() | {"count": 0})
        name, dim = answer.get("name"), answer.get("dim")
        batch_size, streams = answer.get("batch_size"), answer.get("streams")
        if (
            not isinstance(name, str)
            or not isinstance(dim, int)
            or not isinstance(batch_size, int)
            or not isinstance(streams, int)
            or not (0 < dim <= _MOST_DIM and batch_size > 0 and streams > 0)
            or wanted.name not in (None, name)
        ):
            raise ModelError("The model service is of another version; start it anew.")
        parsed = parse_name(name)
        self.name, self.dim, self.preprocessing = name, dim, parsed.preprocessing
        self.batch_size, self.streams = batch_size, streams
        self._service = service
        # From now on by name: the service may be another process by then, with other weights.
        by_name = Wanted(name, parsed.model, wanted.weights, wanted.device, wanted.environ)
        self._header = by_name.header()
        self._open_here = open_here
        self._patience_seconds = patience_seconds
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._away_since: float | None = None
        self._here: Embedder | None = None

    def embed(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See Embedder."""
        check_pixels(pixels, self.preprocessing.size)
        if not len(pixels):
            return np.empty((0, self.dim), np.float32)
        most = max(1, self._most_bytes // pixels[0].nbytes)
        parts = [pixels[start : start + most] for start in range(0, len(pixels), most)]
        try:
            vectors = np.concatenate([self._ask(part) for part in parts])
        except NobodyThere as nobody:
            return self._alone(nobody).embed(pixels)
        self._away_since = self._here = None
        return vectors

    def _ask(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        header = self._header | {"count": len(pixels)}
        expected = len(pixels) * self.dim * 4
        _, data = self._service.ask(header, pixels.tobytes(), max_bytes=expected)
        if len(data) != expected:
            raise ModelError("The model service answers nonsense.")
        return np.frombuffer(data, np.float32).reshape(len(pixels), self.dim)

    def _alone(self, nobody: NobodyThere) -> Embedder:
        """The model in this process, once the service has been away for long; else `nobody`."""
        with self._lock:
            now = time.monotonic()
            if self._away_since is None:
                self._away_since = now
            if self._here is None:
                if now - self._away_since < self._patience_seconds:
                    raise nobody
                logger.warning("%s The model is loaded in this process.", nobody)
                self._here = self._open_here(self.name)
            return self._here
