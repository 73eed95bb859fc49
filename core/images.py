"""Untrusted bytes -> an upright RGB picture; thumbnails; the one list of suffixes."""

import io
import math
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

from PIL import ExifTags, Image, JpegImagePlugin, UnidentifiedImageError
from PIL.Image import Resampling, Transpose

from core.errors import ImageError
from core.modes import shrunk, to_rgb

_ENDINGS = (
    "jpg jpeg jpe jfif png apng webp gif bmp dib tif tiff avif heic heif hif jp2 j2k jpx"
    " ppm pgm pbm pnm psd"
)
SUFFIXES: frozenset[str] = frozenset(f".{ending}" for ending in _ENDINGS.split())
"""Suffixes of the files we look at. They choose the files only; the bytes decide the format."""

# Nothing else is ever opened: no EPS (it would start ghostscript), no WMF, no exotic parsers.
# MPO has no opener of its own, the JPEG one makes it. AVIF stands before HEIF: both claim the
# brand mif1, and only Pillow's AVIF reader steps aside when the content is the other's.
_FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "AVIF", "JPEG2000", "PPM", "PSD"]
_FORMATS_WITH_HEIF = [*_FORMATS, "HEIF"]

_THUMBNAIL_SIDE = 256
_THUMBNAIL_QUALITY = 80
_UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
_ON_ITS_SIDE = {5, 6, 7, 8}
_CUT_SHORT = r"truncated|unexpected end|end of file|not enough (image )?data|but only got"
_pillow = threading.Lock()


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a picture may be before it is refused."""

    max_megapixels: float = 200
    max_megabytes: float = 200


class Upright(NamedTuple):
    """A picture to work with, and the upright size that its file has."""

    picture: Image.Image
    width: int
    height: int


def is_candidate_name(name: str) -> bool:
    """Whether a file of this name is looked at at all."""
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def check_length(data: bytes, limits: Limits) -> None:
    """ImageError if there are no bytes, or more than allowed."""
    if not data:
        raise ImageError("is empty")
    if len(data) > limits.max_megabytes * 1e6:
        raise ImageError(
            f"has {_number(len(data) / 1e6)} MB, more than images.max_megabytes = "
            f"{_number(limits.max_megabytes)}"
        )


def open_picture(data: bytes, limits: Limits, *, enough: int = 512) -> Image.Image:
    """See open_upright; only the picture."""
    return open_upright(data, limits, enough=enough).picture


def open_upright(data: bytes, limits: Limits, *, enough: int = 512) -> Upright:
    """The first frame of `data`, upright, RGB, on white where it is transparent.

    It may be smaller than its file says, but no side below `enough` for that. Whatever the bytes
    are, nothing but ImageError is raised.
    """
    check_length(data, limits)
    try:
        with _pillow_under(limits):
            return _decode(data, limits, enough)
    except ImageError:
        raise
    except MemoryError:
        raise ImageError("needs more memory to decode than it may have") from None
    except UnidentifiedImageError:
        raise ImageError("is no picture we can read") from None
    except Image.DecompressionBombError as error:
        pixels = re.search(r"\d+", str(error))
        raise _too_large(int(pixels[0]) if pixels else math.inf, limits) from None
    except Exception as error:  # Pillow raises every kind there is; one bad file stops nobody
        raise ImageError(_reason(error)) from error


def thumbnail(picture: Image.Image) -> bytes:
    """A JPEG of an RGB picture, longest side 256, never enlarged."""
    scale = min(1.0, _THUMBNAIL_SIDE / max(picture.size))
    small = picture.resize(
        (max(1, round(picture.width * scale)), max(1, round(picture.height * scale))),
        Resampling.HAMMING,  # as sharp as bicubic where it shrinks, for two thirds of the time
        reducing_gap=2.0,
    )
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=_THUMBNAIL_QUALITY)
    return buffer.getvalue()


@contextmanager
def _pillow_under(limits: Limits) -> Iterator[None]:
    """Pillow with our pixel limit in place of its own, and without warnings.

    Both are settings of the whole process, hence the lock; to decode at once is DecoderPool's job.
    """
    with _pillow, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = Image.MAX_IMAGE_PIXELS
        # Pillow warns above this and raises above twice this, also in the middle of a file.
        Image.MAX_IMAGE_PIXELS = math.ceil(limits.max_megapixels * 1e6 / 2)
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _decode(data: bytes, limits: Limits, enough: int) -> Upright:
    with _open(data) as picture:
        width, height = picture.size
        if width * height > limits.max_megapixels * 1e6:
            raise _too_large(width * height, limits)
        if isinstance(picture, JpegImagePlugin.JpegImageFile):
            # Not for HEIF, whose draft is an embedded thumbnail that may show anything.
            picture.draft(picture.mode, (enough, enough))
        picture.load()
        # Pillow turns a TIFF itself, size and all, and then says 1.
        orientation = _orientation(picture)
        rgb = shrunk(to_rgb(picture, enough=enough), enough)
        if rgb is picture:
            rgb = picture.copy()  # of a file's own class, it would keep the file's bytes alive
    if orientation in _UPRIGHT:
        rgb = rgb.transpose(_UPRIGHT[orientation])
    if orientation in _ON_ITS_SIDE:
        width, height = height, width
    rgb.info = {}  # whoever gets it must neither turn it again nor pass a comment on
    return Upright(rgb, width, height)


def _open(data: bytes) -> Image.Image:
    if data[4:8] != b"ftyp":
        return Image.open(io.BytesIO(data), formats=_FORMATS)
    import pillow_heif  # its only home; 25 ms that no other format needs to wait for

    pillow_heif.register_heif_opener()
    try:
        return Image.open(io.BytesIO(data), formats=_FORMATS_WITH_HEIF)
    except (ValueError, UnidentifiedImageError):
        if b"Exif" not in data:
            raise
        # libavif refuses good pixels for bad EXIF; an item of unknown type it passes over.
        return Image.open(io.BytesIO(data.replace(b"Exif", b"none")), formats=_FORMATS_WITH_HEIF)


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 - broken metadata is no reason to refuse good pixels
        return 1


def _too_large(pixels: float, limits: Limits) -> ImageError:
    return ImageError(
        f"has {_number(pixels / 1e6)} megapixels, more than images.max_megapixels = "
        f"{_number(limits.max_megapixels)}"
    )


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _reason(error: Exception) -> str:
    text = "".join(c for c in " ".join(str(error).split()) if c.isprintable())[:100]
    if isinstance(error, EOFError) or re.search(_CUT_SHORT, text, re.IGNORECASE):
        return "is truncated"
    if re.match("unsupported|unknown|support for", text, re.IGNORECASE):
        return f"cannot be decoded: {text}"
    if re.fullmatch(r"|decoder error -?\d+", text):  # a number that says nothing to anyone
        return "is damaged"
    return f"is damaged: {text}"
