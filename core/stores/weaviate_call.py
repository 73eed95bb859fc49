"""A call that may be given up: the client itself goes on trying for a minute."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Call(Generic[_T]):
    """A function under way in a thread that nobody waits for at the end of the process."""

    def __init__(self, act: Callable[[], _T]) -> None:
        self._act = act
        self._done = threading.Event()
        self._error: BaseException | None = None
        threading.Thread(target=self._run, name="weaviate", daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Whether it has ended."""
        return self._done.wait(max(0, seconds))

    def result(self) -> _T:
        """What it returned, or raised."""
        if self._error is not None:
            raise self._error
        return self._result

    def _run(self) -> None:
        try:
            self._result = self._act()
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            self._error = error
        finally:
            self._done.set()
