"""What a check found: one sentence of what is, one of what to do."""

import re
from dataclasses import dataclass
from typing import Literal

from core.errors import AppError

Level = Literal["ok", "note", "problem"]

_ADVICE = re.compile(r"\.\s+(?=[A-Z])|; (?=(?:give|set|choose)\b)")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    level: Level
    found: str
    do: str | None = None


def ok(found: str) -> Finding:
    """As it should be."""
    return Finding("ok", found)


def note(found: str, do: str) -> Finding:
    """Works, and whoever runs it should know."""
    return Finding("note", found, do)


def problem(found: str, do: str) -> Finding:
    """Something will not work."""
    return Finding("problem", found, do)


def from_error(error: AppError, do: str) -> Finding:
    """A problem in the error's own words: what is wrong comes first in them, then what to do.
    `do` is for those that say nothing of it."""
    text = " ".join(str(error).split())
    first, *rest = _ADVICE.split(text, maxsplit=1)
    if rest:
        advice = rest[0].removeprefix("Please ")
        do = advice[:1].upper() + advice[1:].rstrip(".") + "."
    return problem(first.rstrip(".") + ".", do)
