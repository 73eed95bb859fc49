"""What a long-running face of the index (bot, web) searches with: opened once, always current."""

import threading
import time
from collections.abc import Callable, Collection

from core.bootstrap import open_database, open_decoder, open_search
from core.box import Box
from core.config import Config
from core.index import Answer, ImageIndex
from core.records import ImageId, ImageRecord, Place

_PIXEL = b"P6 1 1 255 \0\0\0"
_CURRENT_SECONDS = 1.0
"""So long the embedder that serves is taken to be the same without asking."""


class Searcher:
    """Follows the index wherever it goes: not there yet, a preview, then the real one.

    The model is loaded once for each embedder that serves. Safe to call from several threads.
    """

    def __init__(
        self, config: Config, *, workers: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`workers`: pictures decoded at once. Opens nothing yet."""
        self._config = config
        self._clock = clock
        self._database = open_database(config, writable=False)
        self._decoder = open_decoder(config, workers=workers)
        self._lock = threading.Lock()
        self._index: ImageIndex | None = None
        self._warm: ImageIndex | None = None
        self._checked = float("-inf")

    def index(self) -> ImageIndex:
        """The one that serves. NothingIndexed before there is one; StoreError."""
        with self._lock:
            if self._index is None or self._clock() - self._checked >= _CURRENT_SECONDS:
                fresh = open_search(self._config, self._database, self._decoder)
                if self._index is None or fresh.name != self._index.name:
                    self._index = fresh
                self._checked = self._clock()
            return self._index

    def warm(self) -> None:
        """Load the model and start a decoder, so that the first question need not wait; free of
        cost where that is done. NothingIndexed, ModelError."""
        index = self.index()
        if index is not self._warm:
            picture = self._decoder.decode(_PIXEL, index.embedder.preprocessing)
            index.embed(picture.pixels[None])  # the first pass takes several times as long
            self._warm = index

    def search(
        self,
        image: bytes,
        k: int = 10,
        under: Place | None = None,
        max_distance: float | None = None,
        box: Box | None = None,
    ) -> Answer:
        """See ImageIndex."""
        return self.index().search(image, k, under, max_distance, box)

    def similar(
        self,
        image_id: ImageId,
        k: int = 10,
        under: Place | None = None,
        max_distance: float | None = None,
    ) -> Answer:
        """See ImageIndex."""
        return self.index().similar(image_id, k, under, max_distance)

    def find(self, image_id: ImageId) -> ImageRecord:
        """See ImageIndex."""
        return self.index().find(image_id)

    def thumbnails(self, digests: Collection[str]) -> dict[str, bytes]:
        """JPEG bytes by digest; unknown ones are left out."""
        return self.index().store.thumbnails(digests)

    def count(self) -> int:
        """Number of pictures that can be found."""
        return self.index().count()

    def close(self) -> None:
        """End decoders and connections; idempotent."""
        self._decoder.close()
        self._database.close()
