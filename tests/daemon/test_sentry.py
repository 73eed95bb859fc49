import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from daemon.sentry import Sentry


class Told:
    """What a sentry says of roots whose problems the test sets."""

    def __init__(self, *roots: str) -> None:
        self.problems: dict[str, str] = {}
        self.heard: list[tuple[str, str]] = []
        self.hanging = threading.Event()
        self.sentry = Sentry(roots, self.glance, lambda *news: self.heard.append(news))

    def glance(self, root: str) -> str | None:
        if self.problems.get(root) == "hangs":
            self.hanging.wait(10)
        if self.problems.get(root) == "once":
            del self.problems[root]
            return "once"
        return self.problems.get(root)

    @contextmanager
    def watching(self) -> Iterator[None]:
        self.sentry.ensure()
        try:
            yield
        finally:
            self.hanging.set()
            self.sentry.stop()


def eventually_heard(told: Told, news: tuple[str, str]) -> bool:
    deadline = time.monotonic() + 5
    while news not in told.heard and time.monotonic() < deadline:
        time.sleep(0.01)
    return news in told.heard


def test_a_problem_is_told_for_as_long_as_it_lasts() -> None:
    told = Told("a", "b")
    with told.watching():
        told.problems["b"] = "gone"
        assert eventually_heard(told, ("b", "gone"))
        told.heard.clear()
        assert eventually_heard(told, ("b", "gone"))
    assert {root for root, _ in told.heard} == {"b"}


def test_one_failing_look_is_no_lost_disk() -> None:
    told = Told("a")
    with told.watching():
        told.problems["a"] = "once"
        while told.problems:
            time.sleep(0.01)
        told.problems["a"] = "gone"
        assert eventually_heard(told, ("a", "gone"))
    assert ("a", "once") not in told.heard


def test_a_root_that_hangs_holds_up_no_other() -> None:
    told = Told("a", "b")
    told.problems = {"a": "hangs", "b": "gone"}
    with told.watching():
        assert eventually_heard(told, ("b", "gone"))


def test_nothing_is_told_once_it_has_stopped() -> None:
    told = Told("a")
    with told.watching():
        pass
    told.problems["a"] = "gone"
    time.sleep(0.5)
    assert told.heard == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_has_died_is_replaced() -> None:
    told = Told("a")
    told.problems["a"] = "gone"

    def fatal(_root: str, _problem: str) -> None:
        raise SystemExit

    told.sentry._tell = fatal
    with told.watching():
        thread = told.sentry._threads["a"]
        assert thread is not None
        thread.join(5)
        told.sentry._tell = lambda *news: told.heard.append(news)
        told.sentry.ensure()
        assert eventually_heard(told, ("a", "gone"))
