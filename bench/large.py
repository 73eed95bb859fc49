"""Photographs of 12 megapixels, made of real pictures: how fast they are indexed."""

import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.Image import Resampling

from core.decoder import InlineDecoder
from core.embedders import Embedder
from core.images import Limits

WIDTH, HEIGHT = 4000, 3000
_TILE = 500
_DETAIL = 0.25


def photograph(files: list[Path], number: int) -> Image.Image:
    """One picture at 12 megapixels, with the detail of 48 others woven in; each run the same."""
    canvas = Image.new("RGB", (WIDTH, HEIGHT))
    tiles = (WIDTH // _TILE) * (HEIGHT // _TILE)
    for tile in range(tiles):
        part = _open(files[(number * 7 + tile * 13 + 1) % len(files)]).resize((_TILE, _TILE))
        canvas.paste(part, (tile % 8 * _TILE, tile // 8 * _TILE))
    whole = _open(files[number % len(files)]).resize((WIDTH, HEIGHT), Resampling.BICUBIC)
    return Image.blend(whole, canvas, _DETAIL)


def write_photographs(files: list[Path], folder: Path, count: int) -> list[Path]:
    """JPEG files below `folder`."""
    folder.mkdir(parents=True)
    written = []
    for number in range(count):
        file = folder / f"{number:03}.jpg"
        photograph(files, number * (len(files) // count)).save(file, quality=90)
        written.append(file)
    return written


def reduced_cosines(photographs: list[Path], embedder: Embedder) -> list[float]:
    """Of each, as our decoder gives it, with the full decode."""
    decoder, prepare = InlineDecoder(Limits()), embedder.preprocessing
    ours = np.stack([decoder.decode(f.read_bytes(), prepare).pixels for f in photographs])
    full = np.stack([prepare(_open(file)) for file in photographs])
    cosines: list[float] = (embedder.embed(ours) * embedder.embed(full)).sum(axis=1).tolist()
    return cosines


def decode_core_seconds(photographs: list[Path], embedder: Embedder) -> float:
    """Of one photograph: decoding, resizing and the thumbnail."""
    decoder = InlineDecoder(Limits())
    begun = time.process_time()
    for file in photographs:
        decoder.decode(file.read_bytes(), embedder.preprocessing)
    return (time.process_time() - begun) / len(photographs)


def figures(rate: float, decode: float, forward: float, cores: int) -> dict[str, Any]:
    """`forward` in core-seconds; `rate` is what a daemon reached."""
    return {
        "large_per_second": rate,
        "large_decode_core_ms": decode * 1000,
        "large_vs_parts": rate * (decode + forward) / cores,
    }


def _open(file: Path) -> Image.Image:
    with Image.open(file) as picture:
        return picture.convert("RGB")
