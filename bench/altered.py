"""A picture that is like an indexed one and is not indexed."""

import io
from pathlib import Path

from PIL import Image


def altered(file: Path) -> bytes:
    """A JPEG of the picture in `file`, one pixel of it changed: other bytes, all but the same."""
    with Image.open(file) as picture:
        rgb = picture.convert("RGB")
    rgb.putpixel((0, 0), (1, 2, 3))
    buffer = io.BytesIO()
    rgb.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()
