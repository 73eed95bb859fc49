"""Large photographs, decoded at reduced scale, give the vectors of the full decode."""

from pathlib import Path

import pytest

from bench.large import HEIGHT, WIDTH, reduced_cosines, write_photographs
from core.decoder import InlineDecoder
from core.embedders.colour_layout import ColourLayout
from core.images import Limits, open_upright
from tests.core.embedders.test_dinov2 import SHARED, weights


def pictures() -> list[Path]:
    found = sorted((SHARED / "data" / "caltech101").glob("*/image_0001.jpg"))
    if not found:
        pytest.skip("no pictures in ../shared/data/caltech101")
    return found


def test_a_photograph_of_12_megapixels_is_decoded_at_reduced_scale(tmp_path: Path) -> None:
    (file,) = write_photographs(pictures(), tmp_path / "large", 1)
    upright = open_upright(file.read_bytes(), Limits())
    assert (upright.width, upright.height) == (WIDTH, HEIGHT)
    assert max(upright.picture.size) < WIDTH / 3
    picture = InlineDecoder(Limits()).decode(file.read_bytes(), ColourLayout().preprocessing)
    assert (picture.width, picture.height) == (WIDTH, HEIGHT)


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.timeout(300)  # 12 megapixels, in full as well
def test_the_reduced_scale_gives_the_vector_of_the_full_decode(tmp_path: Path) -> None:
    from core.embedders.dinov2 import TimmEmbedder

    embedder = TimmEmbedder("dinov2_vits14", weights("dinov2_vits14"))
    photographs = write_photographs(pictures(), tmp_path / "large", 2)
    assert min(reduced_cosines(photographs, embedder)) >= 0.995
