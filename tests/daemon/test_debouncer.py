import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.records import Place
from daemon.debouncer import Debouncer

A, B, FOLDER, ROOT = (Place("r", path) for path in ("d/a.jpg", "d/b.jpg", "d", ""))

# (what is done, [(asked at, what is due)]), with 1 s of quiet time and at most 30 s of waiting
Script = Callable[[Debouncer], object]
TABLE: list[tuple[str, Script, list[tuple[float, list[Place]]]]] = [
    ("nothing", len, [(100, [])]),
    ("quiet-for-a-second", lambda d: d.add(A, 0), [(0.99, []), (1, [A]), (2, [])]),
    ("settled", lambda d: d.add(A, 0, settled=True), [(0.24, []), (0.25, [A])]),
    ("hinted-again", lambda d: (d.add(A, 0), d.add(A, 0.9)), [(1.8, []), (1.9, [A]), (9, [])]),
    ("closed-after-writing", lambda d: (d.add(A, 0), d.add(A, 0.1, settled=True)), [(0.35, [A])]),
    (
        "written-after-closing",
        lambda d: (d.add(A, 0, settled=True), d.add(A, 0.1)),
        [(0.3, []), (1.1, [A])],
    ),
    (
        "changing-for-ever",
        lambda d: [d.add(A, second / 2) for second in range(60)],
        [(29.9, []), (30, [A])],
    ),
    ("two-files", lambda d: (d.add(B, 0), d.add(A, 0.5)), [(1.2, [B]), (1.5, [A])]),
    ("a-folder-stands-for-its-files", lambda d: (d.add(A, 0), d.add(FOLDER, 0)), [(1, [FOLDER])]),
    (
        "a-folder-leaves-what-is-not-due",
        lambda d: (d.add(FOLDER, 0), d.add(A, 0.5)),
        [(1, [FOLDER]), (1.5, [A])],
    ),
    (
        "a-folder-covers-whole-names",
        lambda d: (d.add(FOLDER, 0), d.add(Place("r", "d-old/a"), 0), d.add(Place("s", "d/a"), 0)),
        [(1, [FOLDER, Place("r", "d-old/a"), Place("s", "d/a")])],
    ),
    ("all-of-a-root", lambda d: (d.add(A, 0), d.add(B, 0), d.add_all("r", 0.5)), [(9, [ROOT])]),
    (
        "all-of-another-root",
        lambda d: (d.add(A, 0), d.add_all("s", 0)),
        [(1, [A, Place("s", "")])],
    ),
    ("all-again-and-again", lambda d: [d.add_all("r", t) for t in range(40)], [(30, [ROOT])]),
    (
        "postponed",
        lambda d: (d.add(A, 0), d.due(1), d.postpone(A, 1, 60)),
        [(60.9, []), (61, [A])],
    ),
    ("postponed-then-hinted", lambda d: (d.postpone(A, 0, 60), d.add(A, 5)), [(6, [A])]),
    ("hinted-then-postponed", lambda d: (d.add(A, 0), d.postpone(A, 0.5, 5)), [(1, [A])]),
]


@pytest.mark.parametrize(("script", "expected"), [pytest.param(*r[1:], id=r[0]) for r in TABLE])
def test_what_is_due_when(script: Script, expected: list[tuple[float, list[Place]]]) -> None:
    debouncer = Debouncer(1.0)
    script(debouncer)
    for now, places in expected:
        assert sorted(debouncer.due(now)) == sorted(places), now
    assert len(debouncer) == 0
    assert debouncer.next_due() is None


def test_the_longest_waiting_comes_first() -> None:
    debouncer = Debouncer(1.0)
    debouncer.add(B, 0)
    debouncer.add(A, 0.5)
    assert debouncer.due(2) == [B, A]


def test_next_due_tells_how_long_to_sleep() -> None:
    debouncer = Debouncer(1.0)
    debouncer.add(A, 10)
    debouncer.add(B, 10.5, settled=True)
    assert debouncer.next_due() == 10.75
    debouncer.add(B, 10.6)
    assert debouncer.next_due() == 11
    debouncer.due(11)
    assert debouncer.next_due() == 11.6


def test_a_long_quiet_time_is_not_cut_by_the_longest_wait() -> None:
    debouncer = Debouncer(60.0, max_wait_seconds=30)
    debouncer.add(A, 0)
    assert debouncer.due(59) == []
    assert debouncer.due(60) == [A]


def test_above_capacity_the_most_crowded_folder_stands_for_its_files() -> None:
    debouncer = Debouncer(1.0, capacity=20)
    for number in range(15):
        debouncer.add(Place("r", f"crowd/{number}"), 0)
    for number in range(6):
        debouncer.add(Place("r", f"quiet/{number}"), 0)
    assert set(debouncer.due(1)) == {
        Place("r", "crowd"),
        *(Place("r", f"quiet/{number}") for number in range(6)),
    }


def test_above_capacity_folders_with_one_file_each_become_the_folder_above_them() -> None:
    debouncer = Debouncer(1.0, capacity=20)
    for number in range(21):
        debouncer.add(Place("r", f"top/{number}/x.jpg"), 0)
    assert all(Place("r", "top").covers(place) for place in debouncer.due(1))


def test_a_flood_that_collapses_again_and_again_is_not_put_off_for_ever() -> None:
    debouncer = Debouncer(1.0, max_wait_seconds=30, capacity=10)
    for number in range(400):  # a new file every 0.1 s
        debouncer.add(Place("r", f"d/{number}"), number / 10)
    assert FOLDER in debouncer.due(30)


def test_the_oldest_hint_waits_until_it_is_dealt_with() -> None:
    debouncer = Debouncer(1.0)
    assert debouncer.oldest() is None
    debouncer.add(A, 5)
    debouncer.add(A, 5.5)
    debouncer.add(B, 6)
    assert debouncer.oldest() == 5
    assert debouncer.due(6.5) == [A]  # handed out is not done
    assert debouncer.oldest() == 5
    debouncer.postpone(A, 7, 60)  # it failed: the wait goes on
    assert debouncer.oldest() == 5
    assert debouncer.due(7) == [B]
    debouncer.done([B])
    assert debouncer.due(67) == [A]
    debouncer.done([A])
    debouncer.postpone(A, 70, 1)  # looked at, and to be looked at again: a wait of its own
    assert debouncer.oldest() == 70


def test_a_collapse_keeps_the_age_of_what_it_merges() -> None:
    debouncer = Debouncer(1.0, capacity=4)
    for second in (5, 4, 3, 2, 1):  # the oldest is not the first that is merged
        debouncer.add(Place("r", f"d/{second}.jpg"), second)
    assert len(debouncer) < 5
    assert debouncer.oldest() == 1


def test_a_hundred_thousand_hints_are_cheap() -> None:
    debouncer = Debouncer(1.0, capacity=50_000)
    places = [Place("r", f"{number % 500}/{number}.jpg") for number in range(100_000)]
    started = time.perf_counter()
    for number, place in enumerate(places):
        debouncer.add(place, number / 1e5)
    for _ in range(100_000):
        debouncer.add(A, 1.0)
    assert len(debouncer) <= 50_000
    debouncer.due(60)
    assert time.perf_counter() - started < 5  # 0.6 s here; a quadratic step takes minutes


names = st.sampled_from(["a", "b", "a b", "c"])
places = st.builds(Place, st.sampled_from(["r", "s"]), st.lists(names, max_size=4).map("/".join))
steps = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "settled", "all", "postpone", "due"]),
        places,
        st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0, 7.0]),
    ),
    max_size=60,
)


@given(steps, st.sampled_from([2, 5, 1000]))
def test_everything_added_is_covered_later_and_nothing_earlier_than_allowed(
    script: list[tuple[str, Place, float]], capacity: int
) -> None:
    debouncer = Debouncer(1.0, max_wait_seconds=3.0, capacity=capacity)
    now = 0.0
    waiting: set[Place] = set()
    first: dict[Place, float] = {}
    allowed: dict[Place, float] = {}

    def returned(due: list[Place]) -> None:
        for place in due:
            waiting.difference_update([w for w in waiting if place.covers(w)])
            if capacity == 1000:  # no collapse: exactly what was added, not a moment too soon
                assert allowed[place] <= now
        for place in [p for p in allowed if any(d.covers(p) for d in due) and allowed[p] <= now]:
            del allowed[place], first[place]

    for verb, named, seconds in script:
        place = Place(named.root, "") if verb == "all" else named
        now += seconds
        if verb == "due":
            returned(debouncer.due(now))
            continue
        if verb == "all":
            swallowed = [p for p in first if p.root == place.root]
            first[place] = min([now, *(first.pop(p) for p in swallowed)])
            allowed = {p: t for p, t in allowed.items() if p in first}
            debouncer.add_all(place.root, now)
        elif verb == "postpone":
            debouncer.postpone(place, now, 5.0)
        else:
            debouncer.add(place, now, settled=verb == "settled")
        waiting.add(place)
        first.setdefault(place, now)
        wait = {"settled": 0.25, "postpone": 5.0}.get(verb, 1.0)
        if verb == "postpone":
            allowed[place] = min(now + wait, allowed.get(place, now + wait))
        else:
            allowed[place] = min(now + wait, first[place] + 3.0)
        assert len(debouncer) <= max(capacity, 2)

    while (soonest := debouncer.next_due()) is not None:
        now = max(now, soonest)
        due = debouncer.due(now)
        assert due
        returned(due)
    assert not waiting
    assert len(debouncer) == 0
