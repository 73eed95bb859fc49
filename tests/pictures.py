"""Pictures for tests: quick to draw, each different, two of one seed alike."""

import io
import random
from pathlib import Path

from PIL import Image


def draw(seed: int, size: tuple[int, int] = (96, 64)) -> Image.Image:
    """A patchwork of colours that no other seed has."""
    dice = random.Random(seed)
    tiny = Image.frombytes("RGB", (6, 4), dice.randbytes(6 * 4 * 3))
    return tiny.resize(size, Image.Resampling.BICUBIC)


def jpeg(seed: int, size: tuple[int, int] = (96, 64)) -> bytes:
    """The same as a file's bytes."""
    buffer = io.BytesIO()
    draw(seed, size).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def write(file: Path, seed: int) -> Path:
    """The same as a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(jpeg(seed))
    return file


def write_slow(folder: Path, count: int) -> None:
    """Files of different bytes, each some 30 ms to decode: a scan that can be interrupted."""
    folder.mkdir(parents=True, exist_ok=True)
    large = jpeg(0, (4000, 2600))
    for number in range(count):  # what follows the end of a JPEG is no part of the picture
        (folder / f"{number:03}.jpg").write_bytes(large + number.to_bytes(4))
