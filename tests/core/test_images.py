import io
import random
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from core.errors import ImageError
from core.images import Limits, is_candidate_name, open_picture, open_upright, thumbnail
from core.modes import to_rgb

HARD = Path(__file__).resolve().parents[3] / "shared" / "data" / "hard-images"
needs_hard_images = pytest.mark.skipif(not HARD.is_dir(), reason=f"no {HARD}")

pillow_heif.register_heif_opener()  # to write HEIF; core.images registers it by itself

RED, GREEN, BLUE, YELLOW = (220, 30, 30), (30, 180, 30), (30, 30, 220), (220, 220, 30)
CORNERS = [RED, GREEN, BLUE, YELLOW]
FORMATS = ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"]
# Stored like this and tagged so, the picture is upright again.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def four_corners(width: int = 96, height: int = 64) -> Image.Image:
    """A colour in each corner: red, green / blue, yellow."""
    picture = Image.new("RGB", (width, height))
    for i, colour in enumerate(CORNERS):
        x, y = i % 2 * width // 2, i // 2 * height // 2
        picture.paste(colour, (x, y, x + width // 2, y + height // 2))
    return picture


def corners_of(picture: Image.Image) -> list[tuple[int, ...]]:
    w, h = picture.size
    spots = [(w // 4, h // 4), (3 * w // 4, h // 4), (w // 4, 3 * h // 4), (3 * w // 4, 3 * h // 4)]
    return [picture.getpixel(spot) for spot in spots]


def assert_close(actual, expected, tolerance: int) -> None:
    assert np.abs(np.subtract(actual, expected, dtype=float)).max() <= tolerance, (actual, expected)


def encoded(picture: Image.Image, format: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def grey_levels(data: bytes) -> list[int]:
    """The middle row of a decoded picture that should be grey."""
    pixels = np.asarray(open_picture(data, Limits()))
    assert (pixels[..., 0] == pixels[..., 1]).all()
    assert (pixels[..., 0] == pixels[..., 2]).all()
    return pixels[pixels.shape[0] // 2, :, 0].tolist()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.jpg", True),
        ("A.JPG", True),
        ("x.y.HeIc", True),
        ("a.apng", True),
        ("a.eps", False),
        ("a.svg", False),
        ("a.jpg.part", False),
        ("jpg", False),
        (".jpg", False),
        ("", False),
    ],
)
def test_the_suffix_chooses_the_candidates(name, expected):
    assert is_candidate_name(name) is expected


def test_the_bytes_decide_the_format_and_the_size_is_reported():
    for format in [*FORMATS, "GIF", "BMP", "PPM", "JPEG2000"]:
        upright = open_upright(encoded(four_corners(), format), Limits())
        assert (upright.width, upright.height) == upright.picture.size == (96, 64)
        assert upright.picture.mode == "RGB"
        assert_close(corners_of(upright.picture), CORNERS, 12)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("orientation", STORED)
def test_a_picture_is_turned_upright_once(format, orientation):
    method = STORED[orientation]
    stored = four_corners() if method is None else four_corners().transpose(method)
    exif = Image.Exif()
    exif[0x0112] = orientation
    # HEIF turns by irot and imir, its EXIF only repeats them; pillow-heif writes them from here.
    stored.info["exif"] = exif.tobytes()
    options = {} if format == "HEIF" else {"exif": exif}
    upright = open_upright(encoded(stored, format, **options), Limits())
    assert (upright.width, upright.height) == upright.picture.size == (96, 64)
    assert_close(corners_of(upright.picture), CORNERS, 12)
    assert not upright.picture.info
    assert 0x0112 not in upright.picture.getexif()


@needs_hard_images
@pytest.mark.parametrize("name", ["Landscape", "Portrait"])
def test_all_exif_orientations_show_the_same(name):
    files = sorted((HARD / "exif-orientation").glob(f"{name}_*.jpg"))
    assert len(files) == 9
    small = [
        np.asarray(open_picture(f.read_bytes(), Limits()).resize((32, 32)), int) for f in files
    ]
    for other in small[1:]:  # the digits drawn on them differ
        assert np.abs(small[0] - other).mean() < 6


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_broken_exif_does_not_reject_a_picture(format):
    exif = Image.Exif()
    exif[0x010F] = "Maker of cameras"
    exif.get_ifd(0x8769)[0x9003] = "2020:01:01 00:00:00"
    good = exif.tobytes()
    rng = random.Random(1)
    for _ in range(40):
        broken = bytearray(good)
        for _ in range(4):
            broken[rng.randrange(6, len(broken))] = rng.choice([0, 255, rng.randrange(256)])
        # Pillow parses the EXIF of an AVIF before it writes it, hence the detour.
        data = encoded(four_corners(), format, exif=good)
        data = (
            data.replace(good[6:], broken[6:])
            if format == "AVIF"
            else encoded(four_corners(), format, exif=bytes(broken))
        )
        assert sorted(open_picture(data, Limits()).size) == [64, 96]


RAMP = np.linspace(0, 65535, 64).astype(np.uint16)[None].repeat(8, axis=0)


@pytest.mark.parametrize(
    "data",
    [
        encoded(Image.fromarray(RAMP), "PNG"),
        encoded(Image.fromarray(RAMP), "TIFF"),
        encoded(Image.fromarray(RAMP), "JPEG2000"),
        encoded(Image.frombytes("I;16B", (64, 8), RAMP.astype(">u2").tobytes()), "TIFF"),
        b"P5 64 8 65535\n" + RAMP.astype(">u2").tobytes(),
        encoded(Image.fromarray(RAMP >> 4), "PNG"),
    ],
    ids=["png", "tiff", "jpeg2000", "tiff big-endian", "pgm", "12 bits in 16"],
)
def test_16_bits_keep_their_range(data):
    assert_close(grey_levels(data), np.linspace(0, 255, 64), 2)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[-2.0, 0.0, 2.0]], np.float32), [0, 128, 255]),
        (np.array([[np.nan, 1e6, 1e6 + 512, np.inf]], np.float32), [0, 0, 255, 0]),
        (np.array([[7.0, 7.0]], np.float32), [128, 128]),
        (np.array([[np.nan, np.nan]], np.float32), [128, 128]),
        (np.array([[-1_000_000, 0, 1_000_000]], np.int32), [0, 128, 255]),
    ],
    ids=["floats", "not finite", "constant", "nothing finite", "32-bit integers"],
)
def test_modes_without_a_range_are_stretched(values, expected):
    assert grey_levels(encoded(Image.fromarray(values), "TIFF")) == expected


def in_lab() -> bytes:
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    transform = ImageCms.buildTransform(*profiles, "RGB", "LAB")
    return encoded(ImageCms.applyTransform(four_corners(), transform), "TIFF")


@pytest.mark.parametrize(
    "data",
    [
        encoded(four_corners().convert("CMYK"), "JPEG", quality=95),
        encoded(four_corners().convert("CMYK"), "TIFF"),
        encoded(four_corners().convert("YCbCr"), "TIFF", compression="raw"),
        in_lab(),
        encoded(four_corners().quantize(4), "PNG"),
        encoded(four_corners().quantize(4), "GIF"),
    ],
    ids=["cmyk jpeg", "cmyk tiff", "ycbcr", "lab", "palette png", "palette gif"],
)
def test_every_colour_model_becomes_rgb(data):
    assert_close(corners_of(open_picture(data, Limits())), CORNERS, 14)


def test_bilevel_and_grey_become_rgb():
    steps = Image.fromarray(np.array([[0, 100, 200, 255]], np.uint8))
    assert grey_levels(encoded(steps, "PNG")) == [0, 100, 200, 255]
    assert grey_levels(encoded(steps.point(lambda v: 255 * (v > 150), "1"), "PNG")) == [
        0,
        0,
        255,
        255,
    ]


def see_through(mode: str) -> Image.Image:
    """Left black and opaque, right without a trace."""
    picture = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    picture.paste((0, 0, 0, 255), (0, 0, 32, 64))
    return picture.convert(mode)


@pytest.mark.parametrize(
    "data",
    [
        encoded(see_through("RGBA"), "PNG"),
        encoded(see_through("RGBA"), "WEBP", lossless=True),
        encoded(see_through("RGBA"), "TIFF"),
        encoded(see_through("RGBA"), "AVIF"),
        encoded(see_through("LA"), "PNG"),
        encoded(see_through("RGBA").quantize(2), "PNG"),
        encoded(see_through("RGBA"), "GIF"),
    ],
    ids=["rgba png", "webp", "tiff", "avif", "la", "palette alpha", "gif"],
)
def test_transparency_is_laid_on_white(data):
    left, right, *_ = corners_of(open_picture(data, Limits()))
    assert_close([left, right], [(0, 0, 0), (255, 255, 255)], 3)


@pytest.mark.parametrize("mode", ["La", "RGBa", "PA"])
def test_rare_modes_with_transparency_are_laid_on_white(mode):
    if mode == "PA":
        picture = see_through("P").convert("PA")
        picture.putalpha(see_through("RGBA").getchannel("A"))
    else:
        picture = see_through(mode.upper()).convert(mode)
    left, right, *_ = corners_of(to_rgb(picture, enough=512))
    assert_close([left, right], [(0, 0, 0), (255, 255, 255)], 0)


@pytest.mark.parametrize(
    ("mode", "key"), [("L", 0), ("RGB", (0, 0, 0)), ("P", 0)], ids=["L", "RGB", "P"]
)
def test_a_transparent_colour_is_laid_on_white(mode, key):
    picture = Image.new("L", (64, 64), 0)
    picture.paste(9, (0, 0, 32, 64))
    picture = picture.convert(mode)
    left, right, *_ = corners_of(open_picture(encoded(picture, "PNG", transparency=key), Limits()))
    assert_close([left, right], [(9, 9, 9), (255, 255, 255)], 0)


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "AVIF", "TIFF"])
def test_of_an_animation_the_first_frame_counts(format):
    frames = [Image.new("RGB", (40, 30), colour) for colour in (RED, GREEN, BLUE)]
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:])
    assert_close(open_picture(data, Limits()).getpixel((20, 15)), RED, 8)


def test_large_pictures_come_smaller_but_never_below_enough():
    # Smooth, so that compression changes little.
    ramp = Image.linear_gradient("L").resize((1900, 1300)).convert("RGB")
    whole = np.asarray(ramp.resize((60, 40)), int)
    for format, options in (("JPEG", {}), ("PNG", {"compress_level": 1}), ("MPO", {})):
        upright = open_upright(encoded(ramp, format, **options), Limits(), enough=300)
        assert (upright.width, upright.height) == (1900, 1300)
        assert 300 <= min(upright.picture.size) < 600
        assert np.abs(np.asarray(upright.picture.resize((60, 40)), int) - whole).max() <= 4


@pytest.mark.parametrize("corner", ["bytes", "pixels"])
def test_limits_are_ours_and_inclusive(corner, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)  # whatever Pillow thinks of it
    data = encoded(four_corners(1000, 1000), "PNG")
    exact = Limits(max_megapixels=1, max_megabytes=len(data) / 1e6)
    assert open_picture(data, exact).size == (1000, 1000)
    assert Image.MAX_IMAGE_PIXELS == 10
    with pytest.raises(ImageError) as rejected:
        open_picture(data, Limits(0.9, 200) if corner == "pixels" else Limits(200, 0.001))
    assert str(rejected.value) == (
        "has 1 megapixels, more than images.max_megapixels = 0.9"
        if corner == "pixels"
        else f"has {round(len(data) / 1e6, 2):g} MB, more than images.max_megabytes = 0"
    )


def png_chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def png(width: int, height: int, *chunks: bytes) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + png_chunk(b"IEND", b"")


ZEROS = zlib.compress(bytes(100_000_000), 1)


@pytest.mark.parametrize(
    "bomb",
    [
        png(100_000, 100_000, png_chunk(b"IDAT", ZEROS)),
        png(9, 9, png_chunk(b"zTXt", b"Comment\0\0" + ZEROS)),
        png(9, 9, png_chunk(b"iCCP", b"profile\0\0" + ZEROS)),
        b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x02\x02L\x01\0;",
        b"P6 60000 60000 255\n",
        b"BM"
        + struct.pack("<IHHI", 54, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0),
    ],
    ids=["png", "png text", "png profile", "gif", "ppm", "bmp"],
)
def test_a_bomb_is_rejected_at_once(bomb):
    started = time.thread_time()
    with pytest.raises(ImageError):
        open_picture(bomb, Limits())
    assert time.thread_time() - started < 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"hello", "is no picture we can read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is no picture we can read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is no picture we can read"),
        (encoded(four_corners(400, 300), "JPEG")[:2000], "is truncated"),
        (encoded(Image.effect_noise((99, 99), 9), "PNG")[:2000], "is truncated"),
        (b"P6 0 5 255\n", "is no picture we can read"),
    ],
    ids=["empty", "text", "eps", "svg", "half a jpeg", "half a png", "nothing to see"],
)
def test_the_reason_says_what_is_wrong(data, reason):
    with pytest.raises(ImageError) as rejected:
        open_picture(data, Limits())
    assert str(rejected.value) == reason


@pytest.mark.parametrize("format", [*FORMATS, "GIF", "BMP", "PPM", "JPEG2000"])
def test_no_mutation_raises_anything_but_image_error(format):
    noise = Image.merge("RGB", [Image.effect_noise((24, 16), 60) for _ in range(3)])
    exif = {"exif": Image.Exif()} if format in FORMATS else {}
    good = encoded(noise, format, **exif)
    rng = random.Random(format)
    for _ in range(300):
        data = bytearray(good)
        for _ in range(rng.randint(1, 12)):
            # Headers are where the decisions are made.
            end = rng.choice([64, 600, len(data)])
            data[rng.randrange(min(end, len(data)))] = rng.choice([0, 255, rng.randrange(256)])
        if rng.random() < 0.2:
            del data[rng.randrange(len(data)) :]
        try:
            picture = open_picture(bytes(data), Limits(max_megapixels=1))
        except ImageError as error:
            assert_one_line(str(error))
        else:
            assert picture.mode == "RGB"


def assert_one_line(reason: str) -> None:
    assert reason
    assert reason.isprintable()
    assert "0x" not in reason  # no addresses of Python's objects


@needs_hard_images
def test_every_hard_image_gives_a_picture_or_a_reason():
    pictures = 0
    for file in sorted(HARD.rglob("*.*")):
        try:
            picture = open_picture(file.read_bytes(), Limits())
        except ImageError as error:
            assert_one_line(str(error))
        else:
            pictures += 1
            assert picture.mode == "RGB"
            assert picture.load() is not None
    assert pictures > 800


def test_a_thumbnail_is_a_small_jpeg_and_never_enlarged():
    for size, expected in [((1000, 500), (256, 128)), ((30, 20), (30, 20)), ((9999, 2), (256, 1))]:
        picture = Image.new("RGB", size, RED)
        picture.info["comment"] = b"secret"
        small = thumbnail(picture)
        with Image.open(io.BytesIO(small)) as reread:
            assert (reread.format, reread.size) == ("JPEG", expected)
            assert_close(reread.getpixel((0, 0)), RED, 4)
