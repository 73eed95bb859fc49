"""A part of a picture to search with."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from core.box import Box, parse_box
from core.decoder import InlineDecoder
from core.errors import UsageError
from core.images import Limits
from core.preprocess import Preprocessing

SIDES = st.floats(0.01, 1)


@pytest.mark.parametrize(
    "text",
    ["", "1", "0,0,1", "0,0,1,1,1", "a,b,c,d", "0,0,0,1", "0,0,0.001,1", "-0.1,0,1,1",
     "0.5,0,0.6,1", "0,0,nan,1", "nan,0,0.5,0.5", "0,nan,0.5,0.5", "0,0,0.5,nan",
     "0,0,inf,inf", "0,0,1e999,1", "0;0;1;1"],
)  # fmt: skip
def test_what_is_no_box_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(UsageError, match="x,y,width,height"):
        parse_box(text)


def test_the_whole_picture_is_no_part() -> None:
    assert parse_box("0,0,1,1") is None
    assert parse_box("0.25, 0, 0.5, 1") == Box(0.25, 0, 0.5, 1)


@given(st.floats(0, 0.99), st.floats(0, 0.99), SIDES, SIDES, st.integers(1, 50), st.integers(1, 50))
def test_a_part_lies_within_and_is_never_empty(
    x: float, y: float, width: float, height: float, columns: int, rows: int
) -> None:
    box = Box(x, y, min(width, 1 - x), min(height, 1 - y))
    part = box.crop(Image.new("RGB", (columns, rows)))
    assert 1 <= part.width <= columns
    assert 1 <= part.height <= rows


def test_a_part_keeps_the_detail_that_the_file_has() -> None:
    """A draft that is enough for the whole picture is too coarse for a tenth of it."""
    stripes = Image.new("RGB", (4000, 4000), "white")
    for x in range(0, 400, 4):
        stripes.paste("black", (x, 0, x + 2, 400))
    file = io.BytesIO()
    stripes.save(file, "JPEG")
    picture = InlineDecoder(Limits()).decode(
        file.getvalue(), Preprocessing("stretch", 448), Box(0, 0, 0.1, 0.1)
    )
    assert picture.pixels.std() > 60, "grey: the stripes were averaged away"
    assert (picture.width, picture.height) == (4000, 4000)
