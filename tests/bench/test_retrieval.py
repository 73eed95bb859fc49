"""The retrieval benchmark's arithmetic, worked out by hand."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.retrieval import distances, embed_all, evaluate, pictures_below
from core.embedders.colour_layout import ColourLayout
from core.errors import UsageError


def at(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_classes_that_lie_apart_are_found_perfectly() -> None:
    found = evaluate(at(0, 1, 2, 90, 91, 92), ["a"] * 3 + ["b"] * 3)
    assert found.precision_at_1 == 1
    assert found.precision_at_4 == pytest.approx(2 / 4)  # there are but two to find
    assert found.mean_average_precision == 1


def test_average_precision_is_over_the_full_ranking() -> None:
    # a at 0, b at 10, a at 25, b at 60. Rankings: a0: b a b -> AP 1/2; b10: a a b -> 1/3;
    # a25: b a b -> 1/2; b60: a b a -> 1/2.
    found = evaluate(at(0, 10, 25, 60), ["a", "b", "a", "b"])
    assert found.precision_at_1 == 0
    assert found.mean_average_precision == pytest.approx((1 / 2 + 1 / 3 + 1 / 2 + 1 / 2) / 4)
    assert [score.label for score in found.worst] == ["b", "a"]
    assert found.worst[0].mean_average_precision == pytest.approx((1 / 3 + 1 / 2) / 2)


def test_a_picture_alone_in_its_class_answers_but_does_not_ask() -> None:
    found = evaluate(at(0, 2, 1), ["a", "a", "alone"])
    assert (found.queries, found.alone) == (2, 1)
    assert found.precision_at_1 == 0
    assert found.mean_average_precision == pytest.approx(1 / 2)


def test_without_two_of_a_kind_there_is_nothing_to_measure() -> None:
    with pytest.raises(ValueError, match="two pictures"):
        evaluate(at(0, 1), ["a", "b"])


def test_folders_are_classes_and_broken_files_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, colour in [("red/1.png", "red"), ("red/2.png", "#e00000"), ("blue/1.png", "blue")]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (9, 9), colour).save(tmp_path / name)
    (tmp_path / "blue" / "broken.jpg").write_bytes(b"no picture")
    (vectors,), labels = embed_all(pictures_below(tmp_path), [ColourLayout()])
    assert labels == ["blue", "red", "red"]
    assert evaluate(vectors, labels).precision_at_1 == 1
    assert "broken.jpg" in capsys.readouterr().err


def test_an_empty_folder_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no pictures"):
        pictures_below(tmp_path)


def test_distances_are_told_apart_by_class() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    apart = distances(vectors, ["a", "a", "b", "b"])
    assert apart.same_class == (0, 0, 0)
    assert apart.different_classes == (1, 1, 1, 1)
