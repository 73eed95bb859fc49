"""A picture descriptor without weights: edges by place and direction, colours by place, colours.

The preview until a real model's weights are there. Figures: docs/preprocessing.md.
"""

import numpy as np
from numpy.typing import NDArray

from core.embedders import EmbedderName, check_pixels
from core.preprocess import Preprocessing

Floats = NDArray[np.float32]

MODEL = "colour-layout"
VERSION = 1
"""Part of the name: a change to anything below is another embedder."""
SIZE = 64
"""Pixels a side; 96 retrieves no better."""
CELLS = 6
"""Cells a side in which edge directions are counted; 4, 8 and 12 retrieve worse."""
MARGIN = 3
"""Pixels at the border that edges leave out: frames and scanning borders say little."""
DIRECTIONS = 9
HARMONICS = (8, 5, 5)
"""Cosine coefficients a side kept of Y, Cb, Cr."""
LEVELS = (4, 5, 5)
"""Bins of Y, Cb, Cr in the colour histogram."""
EDGE_CENTRE, COLOUR_CENTRE = 0.045, 0.04
"""Subtracted from blocks that are never negative, else unlike pictures would seem near: about the
mean over pictures. A constant retrieves better than each picture's own mean."""
WEIGHTS = (1.0, 0.4, 0.3)
"""Of edges, layout and histogram; by P@1 and mAP on the Caltech-101 pictures of ../shared/data."""

# ITU-R BT.601, as in JPEG; Y in [0, 1], Cb and Cr in [-0.5, 0.5].
_YCC = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32
)


class ColourLayout:
    """Embeds with numpy alone, the same on every machine up to rounding.

    Edges as in Dalal and Triggs, "Histograms of Oriented Gradients" (2005), the layout as in
    MPEG-7's ColorLayout descriptor (ISO/IEC 15938-3): the low cosine frequencies of Y, Cb and Cr.
    """

    def __init__(self) -> None:
        self.preprocessing = Preprocessing("stretch", SIZE)
        self.name = str(EmbedderName(MODEL, str(VERSION), self.preprocessing))
        self.batch_size = 32
        self.streams = 1
        self.dim = self.embed(np.zeros((1, SIZE, SIZE, 3), np.uint8)).shape[1]

    def embed(self, pixels: NDArray[np.uint8]) -> Floats:
        """(n, 64, 64, 3) sRGB pixels -> (n, dim) vectors, finite, unit length."""
        check_pixels(pixels, SIZE)
        ycc: Floats = pixels.astype(np.float32) @ (_YCC.T / np.float32(255))
        blocks = [_unit(block) for block in (_edges(ycc), _layout(ycc), _histogram(ycc))]
        joined = [block * weight for block, weight in zip(blocks, WEIGHTS, strict=True)]
        return _unit(np.concatenate(joined, axis=1))


def _edges(ycc: Floats) -> Floats:
    """(n, 324): edge strength by cell and direction, relative to its neighbourhood."""
    ycc = ycc[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
    gradient_x = np.zeros_like(ycc)
    gradient_y = np.zeros_like(ycc)
    gradient_x[:, :, 1:-1] = ycc[:, :, 2:] - ycc[:, :, :-2]
    gradient_y[:, 1:-1] = ycc[:, 2:] - ycc[:, :-2]
    strength = np.hypot(gradient_x, gradient_y)
    channel = strength.argmax(-1)[..., None]  # the strongest of Y, Cb, Cr at each pixel
    gradient_x, gradient_y, strength = (
        np.take_along_axis(values, channel, -1)[..., 0]
        for values in (gradient_x, gradient_y, strength)
    )
    # A direction counts in the two bins it lies between, a pixel in the four cells around it.
    position = np.arctan2(gradient_y, gradient_x) % np.pi * (DIRECTIONS / np.pi)
    lower = np.floor(position)
    share = position - lower
    side = ycc.shape[1] / CELLS
    distance = np.subtract.outer((np.arange(CELLS) + 0.5) * side, np.arange(ycc.shape[1]) + 0.5)
    pool = np.maximum(0, 1 - np.abs(distance) / side).astype(np.float32)
    cells = np.zeros((len(ycc), CELLS, CELLS, DIRECTIONS), np.float32)
    for direction in range(DIRECTIONS):
        votes = np.where(lower % DIRECTIONS == direction, strength * (1 - share), 0)
        votes += np.where((lower + 1) % DIRECTIONS == direction, strength * share, 0)
        cells[..., direction] = pool @ votes @ pool.T
    energy = np.pad((cells**2).sum(-1), ((0, 0), (1, 1), (1, 1)), mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(energy, (3, 3), (1, 2)).mean((-2, -1))
    # 1 % of a full step at each pixel keeps the noise of flat regions from counting as edges
    cells /= np.sqrt(around)[..., None] + np.float32(0.01 * side**2)
    flat = cells.reshape(len(ycc), CELLS * CELLS * DIRECTIONS) ** np.float32(0.7)
    return _unit(flat) - np.float32(EDGE_CENTRE)


def _layout(ycc: Floats) -> Floats:
    """(n, 70): low frequencies, the higher ones raised, for pictures have little of them."""
    blocks = []
    for channel, kept in enumerate(HARMONICS):
        place = np.arange(SIZE) + 0.5
        waves = np.cos(np.pi / SIZE * np.outer(np.arange(kept), place)).astype(np.float32)
        waves[1:] *= np.sqrt(2)
        middle = 0.5 if channel == 0 else 0.0  # else Y's mean would point all vectors one way
        spectrum = waves @ (ycc[..., channel] - middle) @ waves.T / SIZE**2
        raised = np.add.outer(np.arange(kept), np.arange(kept))
        chosen = raised <= kept
        gain = 1.0 if channel == 0 else 3.0  # chroma varies less than luma
        blocks.append((spectrum * (1 + raised) * gain)[:, chosen])
    return np.concatenate(blocks, axis=1).astype(np.float32)


def _histogram(ycc: Floats) -> Floats:
    """(n, 100): the square root of each colour's share (its dot product is Bhattacharyya's)."""
    bins = np.zeros(ycc.shape[:3], np.intp)
    for channel, levels in enumerate(LEVELS):
        # chroma beyond 0.31 is rare, and goes into the outermost bins
        scaled = ycc[..., channel] if channel == 0 else ycc[..., channel] * 1.6 + 0.5
        bins = bins * levels + np.clip((scaled * levels).astype(np.intp), 0, levels - 1)
    size = int(np.prod(LEVELS))
    counts = [np.bincount(picture, minlength=size) for picture in bins.reshape(len(bins), SIZE**2)]
    shares = np.array(counts, np.float32).reshape(-1, size) / SIZE**2
    return np.sqrt(shares) - np.float32(COLOUR_CENTRE)


def _unit(vectors: Floats) -> Floats:
    """Unit length; a block without any content (a flat picture has no edges) points nowhere."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units: Floats = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 1e-6)
    return units
