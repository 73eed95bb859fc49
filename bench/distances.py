"""What a distance means: `python -m bench.distances FOLDER [--model NAME]`.

For a tree whose folders are classes: how often a neighbour at a distance is of the picture's own
class, and how far apart a picture and its usual copies (smaller, re-encoded, cropped …) are.
"""

import argparse
import io
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.retrieval import pictures_below
from core.decoder import InlineDecoder
from core.embedders import Embedder
from core.embedders.opening import open_embedder
from core.images import Limits, open_picture
from core.words import word

NEIGHBOURS = 10
EDGES = (0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 2)
EVERY = 10
"""One picture in so many is copied."""

Copy = Callable[[Image.Image], bytes]


def _jpeg(picture: Image.Image, quality: int = 90) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _cropped(share: float) -> Copy:
    def crop(picture: Image.Image) -> bytes:
        x, y = round(picture.width * share), round(picture.height * share)
        return _jpeg(picture.crop((x, y, picture.width - x, picture.height - y)))

    return crop


COPIES: dict[str, Copy] = {
    "JPEG, quality 50": lambda picture: _jpeg(picture, 50),
    "JPEG, quality 20": lambda picture: _jpeg(picture, 20),
    "half the size": lambda picture: _jpeg(ImageOps.scale(picture, 0.5)),
    "5 % cut off each side": _cropped(0.05),
    "15 % cut off each side": _cropped(0.15),
    "mirrored": lambda picture: _jpeg(ImageOps.mirror(picture)),
    "grey": lambda picture: _jpeg(ImageOps.grayscale(picture).convert("RGB")),
    "turned by 90 degrees": lambda picture: _jpeg(picture.rotate(90, expand=True)),
}


def neighbours(
    vectors: NDArray[np.float32], classes: Sequence[str]
) -> list[tuple[float, float, int, float]]:
    """Of each picture's 10 nearest: (from, to, how many, share of its own class), by distance."""
    apart = 1 - vectors @ vectors.T
    np.fill_diagonal(apart, np.inf)
    nearest = np.argsort(apart, axis=1)[:, :NEIGHBOURS]
    distances = np.take_along_axis(apart, nearest, 1)
    labels = np.asarray(classes)
    same = labels[nearest] == labels[:, None]
    rows = []
    for low, high in pairwise(EDGES):
        within = (distances >= low) & (distances < high)
        if within.any():
            rows.append((low, high, int(within.sum()), float(same[within].mean())))
    return rows


def main() -> None:
    """Print both tables, as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="dinov2_vits14")
    arguments = parser.parse_args()
    embedder = open_embedder(arguments.model)
    files = pictures_below(arguments.folder)
    vectors = _embed(embedder, [file.read_bytes() for file in track(files, "reading")])
    console = Console()
    table = Table("distance", "word", "neighbours", "of one class", title=embedder.name)
    for low, high, count, share in neighbours(vectors, [file.parent.name for file in files]):
        middle = word((low + high) / 2, embedder.name)
        table.add_row(f"{low:g} to {high:g}", middle, f"{count:,}", f"{share:.0%}")
    console.print(table)
    pictures = [open_picture(file.read_bytes(), Limits()) for file in files[::EVERY]]
    table = Table("copy", "half within", "90 % within", "99 % within")
    for name, copy in COPIES.items():
        copies = _embed(embedder, [copy(picture) for picture in pictures])
        apart = 1 - (copies * vectors[::EVERY]).sum(axis=1)
        table.add_row(name, *(f"{each:.3f}" for each in np.quantile(apart, (0.5, 0.9, 0.99))))
    console.print(table)


def _embed(embedder: Embedder, files: list[bytes]) -> NDArray[np.float32]:
    decoder = InlineDecoder(Limits())
    size = embedder.batch_size * embedder.streams
    parts = []
    for first in track(range(0, len(files), size), "embedding"):
        some = [
            decoder.decode(file, embedder.preprocessing) for file in files[first : first + size]
        ]
        parts.append(embedder.embed(np.stack([each.pixels for each in some])))
    return np.concatenate(parts)


if __name__ == "__main__":
    main()
