"""Opening the index, however long its server takes to come up."""

from collections.abc import Callable

from core.errors import StoreAwayError
from daemon.engine import Engine

_LONGEST_PAUSE_SECONDS = 30.0


def open_patiently(
    engine: Engine, refuse: Callable[[StoreAwayError], None], beat: Callable[[], None]
) -> None:
    """Returns once the index and its model are open, or engine.stop is set.

    Until then status says what is missing, and `refuse` is called now and then to answer whoever
    asks for something, `beat` before each attempt.
    """
    pause = 1.0
    while not engine.stop.is_set():
        beat()
        try:
            engine.open_model()
        except StoreAwayError as error:
            engine.board.problem("store", str(error))
            refuse(error)
            engine.stop.wait(pause)
            refuse(error)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
        else:
            engine.board.problem("store", None)
            return
