"""Every mode that Pillow decodes to -> RGB, on white where it is transparent."""

import numpy as np
from PIL import Image, ImageCms

_WHITE = (255, 255, 255)
_UNPREMULTIPLIED = {"La": "LA", "RGBa": "RGBA"}


def to_rgb(picture: Image.Image, *, enough: int) -> Image.Image:
    """`picture` itself where it is RGB already; large ones may be shrunk on the way."""
    mode = picture.mode
    if _is_16_bit(picture):
        return _high_byte(picture).convert("RGB")
    if mode in ("I", "F"):
        return _stretched(shrunk(picture, enough)).convert("RGB")
    if mode == "LAB":
        # Pillow alone knows no way out of LAB.
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(lab, srgb, "LAB", "RGB")
        rgb = ImageCms.applyTransform(picture, transform)
        assert rgb is not None  # it is None only in place
        return rgb
    if picture.has_transparency_data:
        return _on_white(picture, enough)
    return picture if mode == "RGB" else picture.convert("RGB")


def shrunk(picture: Image.Image, enough: int) -> Image.Image:
    """The mean of every n x n pixels, n as large as leaves both sides `enough`.

    Keeps what follows cheap in time and memory, as the reduced scale does for JPEGs.
    """
    factor = min(picture.size) // enough
    return picture.reduce(factor) if factor > 1 else picture


def _on_white(picture: Image.Image, enough: int) -> Image.Image:
    straight = _UNPREMULTIPLIED.get(picture.mode)
    if straight is not None:
        picture = picture.convert(straight)
    rgba = shrunk(picture if picture.mode == "RGBA" else picture.convert("RGBA"), enough)
    canvas = Image.new("RGB", rgba.size, _WHITE)
    canvas.paste(rgba, mask=rgba.getchannel("A"))
    return canvas


def _is_16_bit(picture: Image.Image) -> bool:
    # A PGM of more than 8 bits comes as I, scaled to 0..65535.
    pgm = picture.mode == "I" and getattr(picture, "format", None) == "PPM"
    return pgm or picture.mode.startswith("I;16")


def _high_byte(picture: Image.Image) -> Image.Image:
    """16 bits -> 8; convert("L") would clip to white."""
    values = np.asarray(picture)
    needed = int(values.max()).bit_length()
    # Cameras and scanners of 10 or 12 bits leave the upper bits empty: taken at their word, their
    # pictures were black, each like any other.
    shift = max(0, needed - 8) if needed <= 12 else 8
    return Image.fromarray((values >> shift).astype(np.uint8))


def _stretched(picture: Image.Image) -> Image.Image:
    """Minimum..maximum -> black..white: these modes have no range of their own."""
    values = np.asarray(picture).astype(np.float64)
    finite = np.isfinite(values)
    low = values.min(where=finite, initial=np.inf)
    high = values.max(where=finite, initial=-np.inf)
    if not low < high:  # one value only, or none: no contrast to show
        return Image.new("L", picture.size, 128)
    grey = (np.where(finite, values, low) - low) * (255 / (high - low))
    return Image.fromarray(grey.round().astype(np.uint8))
