"""The noun of Lookalike: an embedder and a vector store behind one door."""

import hashlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.box import Box
from core.decoder import Decoder
from core.embedders import Embedder
from core.errors import NotIndexed, UsageError
from core.records import Hit, ImageId, ImageRecord, IndexedStamp, Match, Place, Vector
from core.steps import Around, unwatched
from core.stores import VectorStore

MOST_MATCHES = 100
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Timings:
    """Where the time of an answer went, in milliseconds."""

    decode: float
    embed: float
    search: float


@dataclass(frozen=True, slots=True)
class Answer:
    """The closest pictures to a query, nearest first, and by which model."""

    model: str
    matches: list[Match]
    timings_ms: Timings
    digest: str | None = None
    """SHA-256 of the bytes searched with; None for a part of a picture."""
    thumbnail: bytes | None = None
    """JPEG of what was searched with; None where the stored vector of the same bytes served, and
    `thumbnails` has it by `digest`."""


class ImageIndex:
    """add, remove, search, stamps; one embedder's rows."""

    def __init__(
        self,
        name: str,
        load: Callable[[], Embedder],
        store: VectorStore,
        decoder: Decoder,
        roots: Sequence[str],
        *,
        around: Around = unwatched,
    ) -> None:
        """`name` is the embedder's; `load` is called once, when a picture must be embedded.
        Searches see rows of `roots` only."""
        self.name = name
        self.store = store
        self._load = load
        self._decoder = decoder
        self._around = around
        self._scope = [Place(root, "") for root in roots]
        self._embedder: Embedder | None = None

    def over(self, store: VectorStore) -> "ImageIndex":
        """The same model over other rows, loaded once for both."""
        roots = [place.root for place in self._scope]
        return ImageIndex(self.name, lambda: self.embedder, store, self._decoder, roots)

    @property
    def embedder(self) -> Embedder:
        """The model, loaded at first use."""
        if self._embedder is None:
            self._embedder = self._load()
        return self._embedder

    def add(self, records: Sequence[ImageRecord]) -> None:
        """Write rows; idempotent."""
        with self._around("write", len(records)):
            self.store.upsert(records)

    def remove(self, places: Collection[Place]) -> None:
        """Delete rows; idempotent."""
        with self._around("delete", len(places)):
            self.store.delete([place.id for place in places])

    def stamps(self, under: Sequence[Place] | None = None) -> Mapping[Place, IndexedStamp]:
        """What is indexed, of every root, at and below `under`."""
        return self.store.stamps(under)

    def embed(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, height, width, 3) prepared pixels -> (n, dim) unit vectors."""
        with self._around("embed", len(pixels)):
            return self.embedder.embed(pixels)

    def search(
        self,
        image: bytes,
        k: int = 10,
        under: Place | None = None,
        max_distance: float | None = None,
        box: Box | None = None,
    ) -> Answer:
        """The k pictures closest to an image file's bytes, or to the part of it in `box`.

        Bytes that are indexed are answered by their stored vector: distance 0, no forward pass.
        Raises ImageError if the bytes are no picture, UsageError on a wrong k or distance.
        """
        _check(k, max_distance)
        started = time.perf_counter()
        digest = thumbnail = None
        vector = None
        if box is None:
            digest = hashlib.sha256(image).hexdigest()
            vector = self.store.find_vectors([digest]).get(digest)
        looked_up = time.perf_counter()
        decoded = embedded = looked_up
        if vector is None:
            embedder = self.embedder
            loaded = time.perf_counter()  # loading the model is no part of an answer's cost
            started += loaded - looked_up
            looked_up = loaded
            picture = self._decoder.decode(image, embedder.preprocessing, box)
            thumbnail = picture.thumbnail
            decoded = time.perf_counter()
            vector = embedder.embed(picture.pixels[None])[0]
            embedded = time.perf_counter()
        matches = self._matches(vector, k, under, max_distance)
        done = time.perf_counter()
        timings = Timings(
            decode=_ms(decoded - looked_up),
            embed=_ms(embedded - decoded),
            search=_ms(done - started - (embedded - looked_up)),
        )
        return Answer(self.name, matches, timings, digest, thumbnail)

    def similar(
        self,
        image_id: ImageId,
        k: int = 10,
        under: Place | None = None,
        max_distance: float | None = None,
    ) -> Answer:
        """The k pictures closest to an indexed one, itself first. NotIndexed if it is not."""
        _check(k, max_distance)
        started = time.perf_counter()
        record = self.find(image_id)
        matches = self._matches(record.vector, k, under, max_distance)
        timings = Timings(0.0, 0.0, _ms(time.perf_counter() - started))
        return Answer(self.name, matches, timings, record.digest)

    def find(self, image_id: ImageId) -> ImageRecord:
        """The row of this id below the roots; NotIndexed if there is none."""
        record = self.store.get([image_id]).get(image_id)
        if record is None or not self._in_scope(record.place):
            raise NotIndexed
        return record

    def count(self) -> int:
        """Number of rows below the roots."""
        return self.store.count(self._scope)

    def _matches(
        self, vector: Vector, k: int, under: Place | None, max_distance: float | None
    ) -> list[Match]:
        scope = [under] if under is not None else self._scope
        scope = [place for place in scope if self._in_scope(place)]
        if not scope:
            return []
        for _ in range(_TRIES):
            kept = self._nearest(vector, k, scope, max_distance)
            places = self.store.locate([hit.digest for hit in kept], scope)
            # Rows that went between the two questions: all of them, if another index took over.
            if all(hit.digest in places for hit in kept):
                break
        matches = []
        for hit in kept:
            first, *copies = places.get(hit.digest) or [hit.place]
            matches.append(Match(first.id, first, hit.digest, hit.distance, tuple(copies)))
        return matches

    def _nearest(
        self, vector: Vector, k: int, scope: list[Place], max_distance: float | None
    ) -> list[Hit]:
        """The nearest row of each of the k pictures."""
        limit = k
        while True:
            hits = self.store.search(vector, limit, scope)
            nearest: dict[str, Hit] = {}
            for hit in hits:
                if max_distance is None or hit.distance <= max_distance:
                    nearest.setdefault(hit.digest, hit)
            # Copies of one picture fill the list without adding a match: look further.
            beyond = bool(hits) and max_distance is not None and hits[-1].distance > max_distance
            if len(nearest) >= k or len(hits) < limit or beyond:
                return list(nearest.values())[:k]
            limit *= 4

    def _in_scope(self, place: Place) -> bool:
        return any(root.covers(place) for root in self._scope)


def _check(k: int, max_distance: float | None) -> None:
    if not 1 <= k <= MOST_MATCHES:
        raise UsageError(f"k must be from 1 to {MOST_MATCHES}, not {k}.")
    if max_distance is not None and not 0 <= max_distance <= 2:
        raise UsageError(f"The distance must be from 0 to 2, not {max_distance}.")


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
