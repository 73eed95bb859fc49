"""What a long-running face of the index (bot, web) searches with: opened once, always current."""

import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

import numpy as np

from core.bootstrap import open_database, open_decoder, open_index, open_search
from core.box import Box
from core.config import Config
from core.errors import NotIndexed, StoreError
from core.index import Answer, ImageIndex
from core.records import ImageId, ImageRecord, IndexedStamp, Place
from core.stores import Catalogue

_T = TypeVar("_T")

_TRIES = 3
_PIXEL = b"P6 1 1 255 \0\0\0"
_NOTHING = Catalogue("", "")
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
        self._next: ImageIndex | None = None
        self._checked = float("-inf")

    def index(self) -> ImageIndex:
        """The one that serves. NothingIndexed before there is one; StoreError."""
        with self._lock:
            if self._index is None or self._clock() - self._checked >= _CURRENT_SECONDS:
                fresh = open_search(self._config, self._database, self._decoder)
                if self._index is None or fresh.name != self._index.name:
                    next_one, self._next = self._next, None
                    prepared = next_one and next_one.name == fresh.name
                    self._index = next_one.over(fresh.store) if next_one and prepared else fresh
                elif fresh.store is not self._index.store:  # a restored index of the same model
                    self._index = self._index.over(fresh.store)
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

    def prepare(self) -> None:
        """Load the model whose index is being built, so that nobody waits for it when that takes
        over; free of cost where there is none, or it is loaded. Not to be called twice at once."""
        name = (self._database.catalogue() or _NOTHING).building
        if name is None or (self._next and self._next.name == name):
            return
        index = open_index(self._config, self._database, self._decoder, name)
        index.embed(np.zeros((1, *[index.embedder.preprocessing.size] * 2, 3), np.uint8))
        with self._lock:
            self._next = index

    def search(
        self,
        image: bytes,
        k: int = 10,
        under: Place | None = None,
        max_distance: float | None = None,
        box: Box | None = None,
    ) -> Answer:
        """See ImageIndex."""
        return self._ask(
            lambda index: index.search(image, k, under, max_distance, box),
            lambda answer: not answer.matches,
        )

    def similar(
        self,
        image_id: ImageId,
        k: int = 10,
        under: Place | None = None,
        max_distance: float | None = None,
    ) -> Answer:
        """See ImageIndex."""
        return self._ask(
            lambda index: index.similar(image_id, k, under, max_distance),
            lambda answer: not answer.matches,
        )

    def find(self, image_id: ImageId) -> ImageRecord:
        """See ImageIndex."""
        return self._ask(lambda index: index.find(image_id))

    def thumbnails(self, digests: Collection[str]) -> dict[str, bytes]:
        """JPEG bytes by digest; unknown ones are left out."""
        return self._ask(
            lambda index: index.store.thumbnails(digests),
            lambda found: not found and bool(digests),
        )

    def count(self) -> int:
        """Number of pictures that can be found."""
        return self._ask(lambda index: index.count(), lambda count: not count)

    def stamps(self, scope: Sequence[Place]) -> dict[Place, IndexedStamp]:
        """See VectorStore; at one moment."""
        return self._ask(lambda index: dict(index.store.stamps(scope)), lambda found: not found)

    def _ask(
        self, act: Callable[[ImageIndex], _T], doubtful: Callable[[_T], bool] = lambda _: False
    ) -> _T:
        """What `act` makes of the index that serves. Rows that were deleted under it, as another
        index took over, look like none: then it is asked of the one that took over."""
        for _ in range(_TRIES):
            index = self.index()
            try:
                result = act(index)
            except (StoreError, NotIndexed):
                if not self._replaced(index):
                    raise
            else:
                if not doubtful(result) or not self._replaced(index):
                    return result
        return act(self.index())

    def _replaced(self, index: ImageIndex) -> bool:
        """Whether it serves no more."""
        with self._lock:
            self._checked = float("-inf")
        try:
            return self.index().store is not index.store
        except StoreError:
            return False

    def interrupt(self) -> None:
        """Kill the decoders: whoever waits for one hears that this ends. Before close()."""
        self._decoder.close()

    def close(self) -> None:
        """End decoders and connections; idempotent."""
        self._decoder.close()
        self._database.close()
