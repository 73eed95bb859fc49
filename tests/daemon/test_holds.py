from pathlib import Path

import pytest

from core.records import Place
from daemon.holds import CONFIRM_SECONDS, WINDOW_SECONDS, Holds, read_held


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def holds(tmp_path: Path, clock: Clock) -> Holds:
    return Holds(tmp_path / "held.json", 0.05, clock=clock, steady_clock=clock)


def delete(
    holds: Holds, root: str, content: list[Place], moved: list[Place], rows: int
) -> set[Place]:
    """As SyncService does it: ask, delete what is allowed, report it."""
    allowed = holds.admit(root, content, moved, rows=rows)
    holds.deleted(root, allowed, content=len(allowed.intersection(content)))
    return allowed


def places(count: int, root: str = "r", start: int = 0) -> list[Place]:
    return [Place(root, f"{n}.jpg") for n in range(start, start + count)]


def test_few_deletions_pass(holds: Holds) -> None:
    assert delete(holds, "r", places(50), [], rows=1000) == set(places(50))
    assert len(holds) == 0


def test_more_than_the_limit_are_held(holds: Holds) -> None:
    assert delete(holds, "r", places(51), [], rows=1000) == set()
    assert holds.places == sorted(places(51))


def test_the_limit_grows_with_the_root(holds: Holds) -> None:
    assert delete(holds, "r", places(500), [], rows=10_000) == set(places(500))


def test_deletions_of_ten_minutes_add_up(holds: Holds, clock: Clock) -> None:
    delete(holds, "r", places(30), [], rows=1000)
    clock.now += WINDOW_SECONDS - 1
    assert delete(holds, "r", places(30, start=30), [], rows=970) == set()
    clock.now += 2
    assert len(delete(holds, "r", places(30, start=30), [], rows=970)) == 30


def test_moves_never_count(holds: Holds) -> None:
    assert delete(holds, "r", [], places(900), rows=1000) == set(places(900))
    assert delete(holds, "r", places(60), places(100, start=60), rows=1000) == set(
        places(100, start=60)
    )


def test_a_root_is_never_emptied_unasked(holds: Holds) -> None:
    assert delete(holds, "r", places(3), [], rows=3) == set()
    assert delete(holds, "s", [], places(3, "s"), rows=3) == set(), "not even by a move elsewhere"


def test_one_root_does_not_hold_the_other(holds: Holds) -> None:
    delete(holds, "r", places(60), [], rows=1000)
    assert len(delete(holds, "s", places(10, "s"), [], rows=1000)) == 10


def test_approve_releases_what_is_held_at_that_moment(holds: Holds) -> None:
    delete(holds, "r", places(60), [], rows=1000)
    assert len(holds.approve()) == 60
    assert len(delete(holds, "r", places(120), [], rows=1000)) == 60
    assert holds.places == sorted(places(60, start=60))


def test_approve_starts_the_ten_minutes_anew(holds: Holds) -> None:
    delete(holds, "r", places(50), [], rows=1000)
    delete(holds, "r", places(1, start=50), [], rows=950)
    holds.approve()
    assert len(delete(holds, "r", places(51), [], rows=950)) == 51


def test_two_scans_a_quarter_of_an_hour_apart_release(holds: Holds, clock: Clock) -> None:
    delete(holds, "r", places(60), [], rows=1000)
    holds.confirm("r")
    clock.now += CONFIRM_SECONDS - 1
    holds.confirm("r")
    assert holds.released == []
    clock.now += 1
    holds.confirm("r")
    assert len(delete(holds, "r", holds.released, [], rows=1000)) == 60
    assert len(holds) == 0


def test_a_file_that_is_back_is_held_no_longer(holds: Holds) -> None:
    delete(holds, "r", places(60), [], rows=1000)
    holds.seen(places(1)[0])
    assert len(holds) == 59


def test_a_share_of_one_never_holds(tmp_path: Path) -> None:
    holds = Holds(tmp_path / "held.json", 1)
    assert len(delete(holds, "r", places(100), [], rows=100)) == 100


def test_what_is_held_and_counted_survives_a_restart(
    holds: Holds, tmp_path: Path, clock: Clock
) -> None:
    delete(holds, "r", places(50), [], rows=1000)
    delete(holds, "r", places(10, start=50), [], rows=950)
    again = Holds(tmp_path / "held.json", 0.05, clock=clock, steady_clock=clock)
    assert again.places == read_held(tmp_path) == sorted(places(10, start=50))
    assert delete(again, "r", places(10, start=60), [], rows=950) == set()


def test_a_damaged_file_is_the_same_as_none(tmp_path: Path) -> None:
    (tmp_path / "held.json").write_text("{")
    assert read_held(tmp_path) == []
    assert len(Holds(tmp_path / "held.json", 0.05)) == 0


def test_an_approval_does_not_outlive_its_files(holds: Holds) -> None:
    delete(holds, "r", places(200), [], rows=1000)
    for place in places(100):
        holds.seen(place)
    assert len(delete(holds, "r", holds.approve(), [], rows=1000)) == 100
    holds.seen(places(1)[0])
    assert delete(holds, "r", places(100), [], rows=900) == set()
    assert holds.released == []


def test_what_comes_back_after_an_approval_is_approved_no_more(holds: Holds) -> None:
    delete(holds, "r", places(200), [], rows=1000)
    holds.approve()
    for place in places(200):
        holds.seen(place)
    assert delete(holds, "r", places(200), [], rows=1000) == set()


def test_a_deletion_that_fails_is_not_counted_and_stays_approved(holds: Holds) -> None:
    holds.admit("r", places(40), [], rows=1000)
    assert len(delete(holds, "r", places(40), [], rows=1000)) == 40
    delete(holds, "r", places(60, start=100), [], rows=960)
    holds.approve()
    holds.admit("r", places(60, start=100), [], rows=960)
    assert len(delete(holds, "r", places(60, start=100), [], rows=960)) == 60


def test_one_roots_release_does_not_reset_the_other(holds: Holds, clock: Clock) -> None:
    delete(holds, "r", places(50), [], rows=1000)
    delete(holds, "s", places(60, "s"), [], rows=1000)
    holds.confirm("s")
    clock.now += CONFIRM_SECONDS
    delete(holds, "r", places(50, start=50), [], rows=950)
    holds.confirm("s")
    holds.confirm("r")
    assert delete(holds, "r", places(10, start=100), [], rows=900) == set()


def test_what_has_no_row_is_held_no_more(holds: Holds) -> None:
    delete(holds, "r", places(60), [], rows=1000)
    holds.drop_without_rows([Place("r", "")], {})
    assert len(holds) == 0
