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
