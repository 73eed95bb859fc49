"""From an upright RGB picture to the pixels a model wants; pillow and numpy only."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Resampling

_LONGEST = 8
"""Times its shorter side: of a picture longer than that, "official" takes the middle first."""


def _centre_crop(picture: Image.Image, size: int) -> Image.Image:
    # torchvision's CenterCrop rounds the same way; a test holds the two together.
    left = round((picture.width - size) / 2)
    top = round((picture.height - size) / 2)
    return picture.crop((left, top, left + size, top + size))


def _middle(picture: Image.Image, length: int) -> Image.Image:
    width, height = min(picture.width, length), min(picture.height, length)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))


def _official(picture: Image.Image, size: int) -> Image.Image:
    """The evaluation transform of facebookresearch/dinov2 (data/transforms.py): shorter side 256
    bicubic, centre crop 224. Loses the borders."""
    shorter = size * 256 // 224
    picture = _without_far_ends(picture)
    width, height = picture.size
    if width <= height:
        scaled = (shorter, int(shorter * height / width))
    else:
        scaled = (int(shorter * width / height), shorter)
    return _centre_crop(picture.resize(scaled, Resampling.BICUBIC), size)


def _without_far_ends(picture: Image.Image) -> Image.Image:
    """At most 16 times as long as wide, around the centre.

    The crop drops the rest anyway, but 1 x 100000 pixels would first become 256 x 25600000.
    """
    most = 16 * min(picture.size)
    width, height = min(picture.width, most), min(picture.height, most)
    if (width, height) == picture.size:
        return picture
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))


def _article(picture: Image.Image, size: int) -> Image.Image:
    """The seed article's: stretch to 244 x 244 bilinear, centre crop 224."""
    side = size * 244 // 224
    return _centre_crop(picture.resize((side, side), Resampling.BILINEAR), size)


def _stretch(picture: Image.Image, size: int) -> Image.Image:
    """The whole picture, its sides made equal."""
    return picture.resize((size, size), Resampling.BICUBIC)


def _pad(picture: Image.Image, size: int) -> Image.Image:
    """The whole picture in its own proportions, on a canvas of its mean colour."""
    scale = size / max(picture.size)
    inner = picture.resize(
        (max(1, round(picture.width * scale)), max(1, round(picture.height * scale))),
        Resampling.BICUBIC,
    )
    canvas = Image.new("RGB", (size, size), _mean_colour(inner))
    canvas.paste(inner, ((size - inner.width) // 2, (size - inner.height) // 2))
    return canvas


def _mean_colour(picture: Image.Image) -> tuple[int, ...]:
    # What ImageStat does in three times as long; exact, all of it is whole numbers.
    counts = np.array(picture.histogram()).reshape(3, 256)
    sums = counts @ np.arange(256)
    pixels = picture.width * picture.height
    return tuple(round(int(channel) / pixels) for channel in sums)


METHODS: dict[str, Callable[[Image.Image, int], Image.Image]] = {
    "official": _official,
    "article": _article,
    "stretch": _stretch,
    "pad": _pad,
}


DEFAULT_METHOD = "pad"
"""Best by P@1 and by mAP, see docs/preprocessing.md. An index's own is part of its name."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How pixels are prepared; part of an embedder's name, so its text form never changes."""

    method: str
    size: int

    def __post_init__(self) -> None:
        if self.method not in METHODS or not 8 <= self.size <= 2048:
            raise ValueError(f"unknown preprocessing {self.method}-{self.size}")

    def __str__(self) -> str:
        return f"{self.method}-{self.size}"

    @classmethod
    def parse(cls, text: str) -> "Preprocessing":
        """The inverse of str(); ValueError for anything else."""
        method, _, size = text.rpartition("-")
        return cls(method, int(size))

    def __call__(self, picture: Image.Image) -> NDArray[np.uint8]:
        """An upright RGB picture -> (size, size, 3) uint8."""
        return np.asarray(METHODS[self.method](picture, self.size))
