"""The descriptor without weights."""

import time

import numpy as np
import pytest
from PIL import Image, ImageDraw

from core.embedders.colour_layout import ColourLayout
from core.embedders.opening import open_embedder, open_named
from core.errors import ModelError

EMBEDDER = ColourLayout()


def scene(sky: tuple[int, int, int], sun: int, *, width: int = 320) -> Image.Image:
    picture = Image.new("RGB", (width, 240), sky)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 160, width, 240), fill=(40, 120, 40))
    draw.ellipse((sun, 30, sun + 60, 90), fill=(250, 220, 60))
    return picture


def vectors(*pictures: Image.Image) -> np.ndarray:
    return EMBEDDER.embed(np.stack([EMBEDDER.preprocessing(picture) for picture in pictures]))


def test_similar_pictures_are_nearer_than_others() -> None:
    stripes = Image.fromarray(np.indices((240, 320))[1].astype(np.uint8) // 20 % 2 * 255)
    query, moved, smaller, other = vectors(
        scene((90, 150, 240), 60),
        scene((100, 150, 230), 70),
        scene((90, 150, 240), 60).resize((160, 120)),
        stripes.convert("RGB"),
    )
    assert query @ smaller > 0.98
    assert query @ moved > 0.8
    assert query @ other < 0.4


@pytest.mark.parametrize("value", [0, 127, 255])
def test_a_picture_of_one_colour_has_a_finite_unit_vector(value: int) -> None:
    vector = EMBEDDER.embed(np.full((1, 64, 64, 3), value, np.uint8))
    assert np.isfinite(vector).all()
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)


def test_colours_alone_tell_flat_pictures_apart() -> None:
    red, green, dark_red = vectors(
        *(Image.new("RGB", (80, 60), colour) for colour in ["#d02020", "#20d020", "#b01818"])
    )
    assert 1 - red @ green > 1 - red @ dark_red


def test_vectors_are_float32_of_unit_length_and_do_not_depend_on_the_batch() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), np.uint8)
    together = EMBEDDER.embed(pixels)
    assert (together.shape, together.dtype) == ((5, EMBEDDER.dim), np.float32)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    alone = np.concatenate([EMBEDDER.embed(pixels[i : i + 1]) for i in range(5)])
    assert np.allclose(together, alone, atol=1e-6)
    assert EMBEDDER.embed(pixels[:0]).shape == (0, EMBEDDER.dim)


def test_unrelated_noise_is_not_in_one_cone() -> None:
    flat, noise = vectors(
        Image.new("RGB", (64, 64), "white"),
        Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)),
    )
    assert flat @ noise < 0.5


def test_it_takes_milliseconds() -> None:
    pixels = np.zeros((32, 64, 64, 3), np.uint8)
    begin = time.process_time()
    EMBEDDER.embed(pixels)
    assert (time.process_time() - begin) / 32 < 0.05  # 2 ms


def test_pixels_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="expected"):
        EMBEDDER.embed(np.zeros((1, 224, 224, 3), np.uint8))


def test_it_is_opened_by_its_model_name_and_by_its_full_name() -> None:
    assert open_embedder("colour-layout").name == EMBEDDER.name
    assert open_named(EMBEDDER.name).name == EMBEDDER.name == "colour-layout/1/stretch-64"


@pytest.mark.parametrize("name", ["colour-layout/0/stretch-64", "nonsense", "x/y/zoom-64"])
def test_a_name_from_another_version_is_a_sentence(name: str) -> None:
    with pytest.raises(ModelError, match="The index was made by"):
        open_named(name)
