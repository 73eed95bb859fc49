"""From a picture to a model's pixels."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from core.preprocess import DEFAULT_METHOD, METHODS, Preprocessing


def drawn(width: int, height: int) -> Image.Image:
    picture = Image.new("RGB", (width, height), (30, 90, 200))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((width // 4, height // 4, width // 2, height - 1), fill=(250, 200, 40))
    draw.line((0, 0, width, height), fill=(255, 255, 255), width=3)
    return picture


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "size", [(640, 480), (300, 900), (224, 224), (1, 1), (3, 5000), (20000, 2)]
)
def test_every_method_gives_pixels_of_its_size_for_any_picture(
    method: str, size: tuple[int, int]
) -> None:
    pixels = Preprocessing(method, 224)(drawn(*size))
    assert (pixels.shape, pixels.dtype) == ((224, 224, 3), np.uint8)


@pytest.mark.parametrize("method", METHODS)
def test_one_colour_stays_that_colour(method: str) -> None:
    pixels = Preprocessing(method, 64)(Image.new("RGB", (90, 300), (12, 200, 77)))
    assert (pixels == [12, 200, 77]).all()


def test_padding_keeps_the_proportions_and_fills_with_the_mean_colour() -> None:
    pixels = Preprocessing("pad", 64)(drawn(200, 100))
    inner = pixels[16:48].reshape(-1, 3)
    assert (pixels[:16] == np.round(inner.mean(axis=0))).all()
    assert (pixels[48:] == pixels[0, 0]).all()


def test_the_official_method_takes_the_middle_of_a_very_long_picture() -> None:
    middle = Preprocessing("official", 224)(drawn(4000, 100).crop((1600, 0, 2400, 100)))
    assert np.array_equal(Preprocessing("official", 224)(drawn(4000, 100)), middle)


@pytest.mark.parametrize("text", ["stretch-224", "official-448", "pad-64", "article-224"])
def test_a_name_reads_back(text: str) -> None:
    assert str(Preprocessing.parse(text)) == text


@pytest.mark.parametrize("text", ["", "stretch", "stretch-", "stretch-7", "zoom-224", "pad-9999"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"unknown|invalid"):
        Preprocessing.parse(text)


def test_the_default_is_a_method() -> None:
    assert DEFAULT_METHOD in METHODS
