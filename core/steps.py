"""The steps of a picture's way that somebody may want to time."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

Step = Literal["decode", "embed", "write", "delete"]
Around = Callable[[Step, int], AbstractContextManager[object]]
"""Entered around a step with so many pictures or rows; it must let errors through."""


def unwatched(_step: Step, _count: int) -> AbstractContextManager[object]:
    """Nobody wants to."""
    return nullcontext()
