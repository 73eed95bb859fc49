"""A part of a picture to search with, in fractions of its sides."""

import math
from typing import NamedTuple

from PIL import Image

from core.errors import UsageError

_SMALLEST = 0.01
"""Of a side: less than that of a photograph is no picture any more."""
_ROUNDING = 1e-6


class Box(NamedTuple):
    """A rectangle of an upright picture; (0, 0) is its top left corner, (1, 1) its size."""

    x: float
    y: float
    width: float
    height: float

    def crop(self, picture: Image.Image) -> Image.Image:
        """The part of `picture`, at least one pixel."""
        left = min(int(self.x * picture.width), picture.width - 1)
        top = min(int(self.y * picture.height), picture.height - 1)
        right = max(left + 1, round((self.x + self.width) * picture.width))
        bottom = max(top + 1, round((self.y + self.height) * picture.height))
        return picture.crop((left, top, min(right, picture.width), min(bottom, picture.height)))

    def enough(self, pixels: int) -> int:
        """How many pixels a side the whole picture needs, for the part to keep `pixels`."""
        return math.ceil(pixels / min(self.width, self.height))


def parse_box(text: str) -> Box | None:
    """The box of `x,y,width,height`; None where it is the whole picture. UsageError otherwise."""
    try:
        box = Box(*map(float, text.split(",")))
    except (TypeError, ValueError):
        box = Box(0, 0, 0, 0)
    if not all(map(math.isfinite, box)):  # min and max would overlook a NaN
        box = Box(0, 0, 0, 0)
    left_and_top = min(box.x, box.y) >= 0
    right_and_bottom = max(box.x + box.width, box.y + box.height) <= 1 + _ROUNDING
    if not (left_and_top and right_and_bottom) or min(box.width, box.height) < _SMALLEST:
        raise UsageError(
            "A box is x,y,width,height in fractions of the picture: each from 0 to 1, none of "
            f"its sides below {_SMALLEST}, and nothing of it outside the picture."
        )
    return None if box == (0, 0, 1, 1) else box
