from pathlib import Path

import pytest

from daemon.canary import PATIENCE_SECONDS, SING_SECONDS, Canary


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def canary(tmp_path: Path, clock: Clock) -> Canary:
    return Canary(tmp_path / "canary", steady_clock=clock)


def test_who_has_heard_the_song_is_not_silent(canary: Canary, clock: Clock) -> None:
    canary.sing()
    clock.now += PATIENCE_SECONDS
    assert canary.silent({"a": 1000.5, "b": 999.5, "c": 1000}) == ["b"]


def test_it_waits_before_it_calls_anybody_silent(canary: Canary, clock: Clock) -> None:
    canary.sing()
    clock.now += PATIENCE_SECONDS - 1
    assert canary.silent({"a": 0}) == []


def test_nothing_is_said_before_the_first_song(canary: Canary) -> None:
    assert canary.silent({"a": 0}) == []


def test_it_sings_now_and_then_even_if_its_folder_is_deleted(
    canary: Canary, clock: Clock, tmp_path: Path
) -> None:
    file = tmp_path / "canary" / "canary"
    canary.sing()
    before = file.stat().st_mtime_ns
    canary.sing()
    assert file.stat().st_mtime_ns == before
    file.unlink()
    file.parent.rmdir()
    clock.now += SING_SECONDS
    canary.sing()
    assert file.exists()


def test_one_who_stays_silent_is_told_of_less_and_less_often(canary: Canary, clock: Clock) -> None:
    told = []
    for _ in range(1200):
        canary.sing()
        told += canary.silent({"a": 0})
        clock.now += 1
    assert 5 <= len(told) <= 8


def test_one_who_hears_again_has_a_clean_slate(canary: Canary, clock: Clock) -> None:
    canary.sing()
    clock.now += PATIENCE_SECONDS
    assert canary.silent({"a": 0}) == ["a"]
    for _ in range(60):
        canary.sing()
        assert canary.silent({"a": clock.now}) == []
        clock.now += 1
    canary.sing()
    clock.now += SING_SECONDS
    canary.sing()
    clock.now += PATIENCE_SECONDS
    assert canary.silent({"a": clock.now - SING_SECONDS}) == ["a"]
