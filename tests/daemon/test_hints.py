import threading
import time

from core.records import Place
from daemon.hints import Hints
from daemon.watcher import Trouble


def test_a_hint_wakes_the_loop_when_it_is_due() -> None:
    hints = Hints(0.2)
    threading.Timer(0.05, lambda: hints.hint("r", b"caf\xe9.jpg", settled=True)).start()
    started = time.monotonic()
    while not (due := hints.due()):
        hints.wait(40)
    assert due == [Place("r", r"caf\xe9.jpg")]
    assert 0.05 < time.monotonic() - started < 20
    assert hints.pending == 0


def test_wake_ends_the_wait() -> None:
    hints = Hints(1)
    threading.Timer(0.05, hints.wake).start()
    started = time.monotonic()
    hints.wait(40)
    assert time.monotonic() - started < 20


def test_a_limit_is_remembered_until_everything_is_watched() -> None:
    hints = Hints(1)
    hints.trouble("r", Trouble.OVERFLOW, "Too many changes.")
    assert hints.unwatched == {}
    hints.trouble("r", Trouble.WATCH_LIMIT, "No watches left.")
    assert hints.unwatched == {"r": "No watches left."}
    hints.watched("r")
    assert hints.unwatched == {}
