"""The seam behind which pictures become vectors."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.preprocess import Preprocessing


class Embedder(Protocol):
    """Prepared pixels in, unit vectors out.

    Decoding and resizing happen elsewhere (core.decoder, in a process of its own, without torch);
    `preprocessing` says how the pixels must have been prepared.
    """

    name: str
    """Model, digest of its tensors, image size, preprocessing: vectors of two names never mix.
    Never holds backend, dtype or device. Segments are joined by "/", the first is the model."""
    dim: int
    preprocessing: Preprocessing
    batch_size: int
    """Pictures in one call of `embed` at which this embedder is fastest."""
    streams: int
    """So many calls of `embed` at once, from as many threads, are fastest."""

    def embed(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, height, width, 3) sRGB pixels -> (n, dim) vectors, finite, unit length."""
        ...


@dataclass(frozen=True, slots=True)
class EmbedderName:
    """The parts of `Embedder.name`, as in `dinov2_vits14/9f3a1c2b4d5e/stretch-224`."""

    model: str
    weights_digest: str
    """First 12 hex digits of the digest of the tensors; a version for a model without weights."""
    preprocessing: Preprocessing

    def __str__(self) -> str:
        return f"{self.model}/{self.weights_digest}/{self.preprocessing}"


def parse_name(name: str) -> EmbedderName:
    """The inverse of `str(EmbedderName)`; ValueError for anything else."""
    parts = name.split("/")
    if len(parts) != 3 or not all(parts):
        raise ValueError(f"{name!r} names no embedder")
    return EmbedderName(parts[0], parts[1], Preprocessing.parse(parts[2]))


def check_pixels(pixels: NDArray[np.uint8], size: int) -> None:
    """ValueError unless `pixels` are (n, size, size, 3) uint8: what `Preprocessing` prepares."""
    if pixels.dtype != np.uint8 or pixels.shape[1:] != (size, size, 3):
        found = f"{pixels.shape} {pixels.dtype}"
        raise ValueError(f"expected (n, {size}, {size}, 3) uint8, not {found}")
