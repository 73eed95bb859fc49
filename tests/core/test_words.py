"""Words for distances."""

import pytest

from core.words import is_close, word

DINO = "dinov2_vits14/6b6330a74ff0/pad-224"


@pytest.mark.parametrize(
    ("distance", "expected"),
    [
        (0, "identical"),
        (1e-6, "almost identical"),
        (0.1, "very similar"),
        (0.35, "similar"),
        (0.5, "somewhat similar"),
        (0.500001, "not similar"),
        (2, "not similar"),
    ],
)
def test_a_distance_of_a_measured_model_has_a_word(distance: float, expected: str) -> None:
    assert word(distance, DINO) == expected
    assert is_close(distance, DINO) == (expected != "not similar")


def test_each_model_has_its_own_scale() -> None:
    assert word(0.03, DINO) != word(0.03, "colour-layout/1/stretch-64")
    assert word(0.3, "resnet50/0123456789ab/official-224") is None
    assert word(0, "resnet50/0123456789ab/official-224") == "identical"
    assert is_close(1.9, "resnet50/0123456789ab/official-224"), "nothing is known of it"
