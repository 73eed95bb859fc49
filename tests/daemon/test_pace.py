import pytest

from daemon.pace import LONGEST_BACKOFF_SECONDS, MAINTAIN_SECONDS, Pace


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pace(clock: Clock) -> Pace:
    return Pace(30, steady_clock=clock)


def test_it_begins_with_a_scan_and_scans_again_after_the_interval(pace: Pace, clock: Clock) -> None:
    assert pace.scan_due
    pace.scan_begins()
    assert not pace.scan_due
    clock.now += 1799
    assert not pace.scan_due
    clock.now += 1
    assert pace.scan_due


def test_without_events_it_scans_more_often(pace: Pace, clock: Clock) -> None:
    pace.scan_begins()
    pace.events(missing=True)
    clock.now += 300
    assert pace.scan_due
    pace.scan_begins()
    pace.events(missing=False)
    clock.now += 301
    assert pace.scan_due  # the one that was promised; the next one keeps the long interval
    pace.scan_begins()
    clock.now += 301
    assert not pace.scan_due


def test_what_is_asked_for_during_a_scan_is_another_scan(pace: Pace) -> None:
    pace.scan_begins()
    pace.scan_now()
    assert pace.scan_due


def test_after_each_failure_it_waits_twice_as_long_and_compares_everything(
    pace: Pace, clock: Clock
) -> None:
    pace.scan_begins()
    pauses = []
    for _ in range(8):
        pace.failed()
        begun = clock.now
        while pace.pausing:
            clock.now += 0.5
        pauses.append(clock.now - begun)
    assert pauses[:3] == [1, 2, 4]
    assert pauses[-1] == LONGEST_BACKOFF_SECONDS
    assert pace.scan_due


def test_it_has_recovered_once_the_scan_after_the_failure_is_through(pace: Pace) -> None:
    assert not pace.recovered()
    pace.failed()
    assert not pace.recovered()
    pace.scan_begins()
    assert pace.recovered()
    assert not pace.recovered()


def test_passes_of_a_build_become_rarer_while_they_are_in_vain(pace: Pace, clock: Clock) -> None:
    pace.scan_begins()
    pauses = []
    for _ in range(14):
        pace.built(complete=False)
        begun = clock.now
        while not pace.build_due:
            clock.now += 1
        pauses.append(clock.now - begun)
    assert (pauses[:3], pauses[-1]) == ([1, 2, 4], 1800)
    pace.scan_begins()
    pace.built(complete=True)
    assert pace.scan_due


def test_upkeep_comes_after_a_while_and_again(pace: Pace, clock: Clock) -> None:
    assert not pace.upkeep_due
    clock.now += MAINTAIN_SECONDS
    assert pace.upkeep_due
    pace.upkeep_begins()
    assert not pace.upkeep_due
