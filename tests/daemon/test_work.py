"""How long it will take, as it is foretold while it goes on."""

import random
from itertools import pairwise

from daemon.work import Work

BATCH = 256


def play(files: int, per_second: float, wobble: float = 0) -> list[tuple[float, float | None]]:
    """(when, foretold end), asked every half second; rows come in batches."""
    dice = random.Random(1)
    work = Work()
    work.planned("r", files)
    now, written, told = 2.0, 0, []  # the start of everything takes its time
    next_batch = now
    while written < files:
        if now >= next_batch:
            batch = min(BATCH, files - written)
            work.finished(batch, now)
            written += batch
            speed = per_second * (1 + dice.uniform(-wobble, wobble))
            next_batch = now + batch / speed
        progress = work.progress(now)
        assert progress is not None
        left = progress.seconds_left
        told.append((now, None if left is None else now + left))
        now += 0.5
    return told


def test_a_steady_work_is_foretold_to_a_few_percent_from_its_first_seconds_on() -> None:
    told = play(20_000, 100)
    end = told[-1][0]
    assert all(foretold is None for when, foretold in told if when < 5)
    foretold = [(when, then) for when, then in told if when > 30]
    assert all(then and abs(then - end) < 0.05 * end for _, then in foretold)


def test_the_figure_does_not_jump() -> None:
    told = [then for when, then in play(40_000, 100, wobble=0.5) if when > 40 and then]
    end = len(told) / 2
    moves = [abs(b - a) / end for a, b in pairwise(told)]
    assert max(moves) < 0.1  # of the whole time; batches are up to three times as fast as others


def test_a_work_that_stands_still_takes_longer_and_longer() -> None:
    work = Work()
    work.planned("r", 1000)
    for second in range(20):
        work.finished(10, float(second))
    soon, later = work.progress(20), work.progress(60)
    assert soon and later and soon.seconds_left and later.seconds_left
    assert later.seconds_left > 2 * soon.seconds_left


def test_what_is_expected_counts_until_it_is_planned() -> None:
    work = Work()
    work.expect("later", 500)
    work.planned("first", 300)
    assert work.total == 800
    work.planned("later", 480)  # some had been rejected before
    assert work.total == 780
