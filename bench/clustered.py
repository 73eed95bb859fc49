"""Vectors that lie about as those of pictures do, the rows that carry them, and exact answers."""

import uuid

import numpy as np
from numpy.typing import NDArray

from core.records import FileStamp, ImageRecord, Place

DIM = 384
K = 10
QUERIES = 300
_CLUSTERS = 1_000
_SPREAD = 0.7
"""Distance of rows from the middle of their cluster, in lengths of the middle's vector: about as
pictures of one class lie in the space of DINOv2."""
_AT_ONCE = 20
"""Queries compared with every row at once: at a million rows 80 MB of distances."""

Vectors = NDArray[np.float32]
Numbers = NDArray[np.intp]


def draw(rows: int) -> tuple[Vectors, Vectors]:
    """Clustered rows, and queries from the same clusters that are none of the rows."""
    generator = np.random.default_rng(1)
    middles = _unit(generator.standard_normal((_CLUSTERS, DIM), np.float32))

    def some(count: int) -> Vectors:
        noise = generator.standard_normal((count, DIM), np.float32)
        noise *= np.float32(_SPREAD / DIM**0.5)
        noise += middles[generator.integers(0, _CLUSTERS, count)]
        return _unit(noise)

    return some(rows), some(QUERIES)


def exact(vectors: Vectors, queries: Vectors) -> Numbers:
    """The numbers of the K nearest rows of each query, in any order."""
    nearest = []
    for first in range(0, len(queries), _AT_ONCE):
        likeness = queries[first : first + _AT_ONCE] @ vectors.T
        nearest.append(np.argpartition(likeness, -K, axis=1)[:, -K:])
    return np.concatenate(nearest)


def records(vectors: Vectors, first: int) -> list[ImageRecord]:
    """Rows as the daemon writes them, without thumbnails."""
    return [
        ImageRecord(
            Place("bench", f"folder {number % 200}/picture {number}.jpg"),
            FileStamp(1_000_000 + number, 10**18 + number, 10**18, number),
            uuid.uuid5(uuid.NAMESPACE_OID, str(number)).hex * 2,
            vector,
        )
        for number, vector in enumerate(vectors, first)
    ]


def number_of(place: Place) -> int:
    """The number of the row at this place."""
    return int(place.path.rpartition(" ")[2].removesuffix(".jpg"))


def _unit(vectors: Vectors) -> Vectors:
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors
