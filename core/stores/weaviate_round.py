"""One call on one or several servers of a cluster, each time on the next where one is gone."""

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

from core.errors import StoreError
from core.stores.weaviate_call import Call
from core.stores.weaviate_client import WeaviateClient
from core.stores.weaviate_connection import Connection
from core.stores.weaviate_errors import BusyError, UnreachableError
from core.stores.weaviate_probe import NotReadyError
from core.stores.weaviate_ring import Ring
from core.stores.weaviate_url import Address

_T = TypeVar("_T")

_ATTEMPT_SHARE = 0.4
"""Where another server could answer as well, one has this share of the time that is left: a batch
whose server waits for a frozen one may get no answer for a minute."""
_LEAST_SECONDS = 0.2
_SILENCE_SHARE = 0.2
"""And has so much less patience with silence."""


class Round(Generic[_T]):
    """Asks each server once; once more if it was not ready and nobody else is left, or if the
    connection was an old one, as the server may have been restarted."""

    def __init__(
        self,
        ring: Ring,
        act: Callable[[Connection, WeaviateClient], _T],
        *,
        seconds: float,
        silence_seconds: float,
    ) -> None:
        self._ring = ring
        self._act = act
        self._alone = len(ring) == 1
        self._deadline = time.monotonic() + seconds
        self._silence_seconds = silence_seconds * (1 if self._alone else _SILENCE_SHARE)
        self._lock = threading.Lock()
        self._taken: set[Address] = set()
        self._retried: set[Address] = set()
        self._unready: list[Address] = []
        self._answers: list[_T] = []
        self._ready_answered = False
        self._inability: StoreError | None = None
        self._away: UnreachableError | None = None
        self._busy = False

    def ask(self, wanted: int) -> list[_T]:
        """The answers of so many different servers, or of all that answer where those are fewer.
        UnreachableError where none does. An error that says that the request itself is wrong is
        the answer; any other is, if nobody answers."""
        others = [Call(self._ask_one) for _ in range(min(wanted, len(self._ring)) - 1)]
        self._ask_one()
        for other in others:
            if other.wait(self._deadline - time.monotonic()):
                other.result()
        with self._lock:
            if self._answers:
                return list(self._answers)
        raise self._inability or self._unreachable()

    def _ask_one(self) -> None:
        while self._deadline - time.monotonic() > _LEAST_SECONDS:
            connection, last_chance = self._take()
            if connection is None or self._try(connection, last_chance=last_chance):
                return

    def _take(self) -> tuple[Connection | None, bool]:
        """A server that was not asked yet, or else one that was not ready when it was."""
        with self._lock:
            connection = self._ring.first(but=self._taken)
            if connection:
                self._taken.add(connection.address)
                return connection, self._alone
            if self._unready and not self._ready_answered:
                others = self._taken - {self._unready.pop(0)}
                return self._ring.first(but=others), True
            return None, True

    def _try(self, connection: Connection, *, last_chance: bool) -> bool:
        used_before, connection.used = connection.used, True
        share = _ATTEMPT_SHARE if self._others_are_left() else 1
        try:
            answer = connection.call(
                partial(self._act, connection),
                seconds=share * (self._deadline - time.monotonic()),
                silence_seconds=self._silence_seconds,
                unready=last_chance,
            )
        except UnreachableError as error:
            self._ring.give_up(connection, error)
            self._note(connection.address, error, old=used_before, last_chance=last_chance)
            return False
        except StoreError as error:
            # Of this very type: it could not do it, for a reason that may be its own.
            if type(error) is not StoreError or not self._others_are_left():
                raise
            self._ring.put_last(connection)
            with self._lock:
                self._inability = self._inability or error
            return False
        with self._lock:
            self._answers.append(answer)
            self._ready_answered |= not last_chance
        return True

    def _others_are_left(self) -> bool:
        with self._lock:
            return bool(self._unready) or self._ring.first(but=self._taken) is not None

    def _note(
        self, address: Address, error: UnreachableError, *, old: bool, last_chance: bool
    ) -> None:
        with self._lock:
            self._away = error
            self._busy |= isinstance(error, BusyError)
            self._silence_seconds = min(self._silence_seconds, 1)
            if old and address not in self._retried:
                self._retried.add(address)
                self._taken.discard(address)
            elif isinstance(error, NotReadyError) and not last_chance:
                self._unready.append(address)

    def _unreachable(self) -> StoreError:
        kind = BusyError if self._busy else UnreachableError
        others = len(self._ring) - 1
        also = f" Nor do the other {others} of {self._ring}." if others else ""
        last = self._away or f"{self._ring} does not answer in time."
        return kind(f"{last}{also} Please start it, or correct 'store' in the configuration.")
