import pytest

from core.durations import how_far, time_left
from core.state import Progress


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than a minute left"),
        (44, "less than a minute left"),
        (46, "about 1 minute left"),
        (12 * 60 + 20, "about 12 minutes left"),
        (33 * 60, "about 35 minutes left"),
        (54 * 60, "about 55 minutes left"),
        (56 * 60, "about 1 hour left"),
        (30 * 3600, "about 30 hours left"),
        (40 * 3600, "about 2 days left"),
    ],
)
def test_the_words_promise_no_more_than_we_know(seconds: float, words: str) -> None:
    assert time_left(seconds) == words


def test_how_far_it_is_in_one_line() -> None:
    assert how_far(Progress(0, 1000, 0, None)) == "0 % of 1,000 files"
    assert how_far(Progress(450, 1000, 61.7, 720)) == (
        "45 % of 1,000 files, 62 a second, about 12 minutes left"
    )
    assert how_far(Progress(999, 1000, 0.5, 2)) == (
        "99 % of 1,000 files, 30 a minute, less than a minute left"
    )
