"""Copies of one collection at several servers, of which some may be away."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from core.stores.weaviate_quorum import enough

_T = TypeVar("_T")


@dataclass
class Replicas:
    """A collection of which each server has a copy of its own, whatever that is."""

    copies: int = 3
    held: list[Any] = field(default_factory=list)
    away: set[int] = field(default_factory=set)
    asked: int = 0
    takes_seconds: float = 0

    def __post_init__(self) -> None:
        self.held = self.held or [{} for _ in range(self.copies)]

    def answers(
        self,
        act: Callable[[Any], _T],
        servers: int | None = None,
        *,
        seconds: float = 4,  # noqa: ARG002
    ) -> list[_T]:
        there = [rows for server, rows in enumerate(self.held) if server not in self.away]
        self.asked += 1
        time.sleep(self.takes_seconds)
        return [act(rows) for rows in there[: servers or enough(self.copies)]]
