"""The servers of one cluster: a call goes to one of them, and to the next if that one is gone."""

import time
from collections.abc import Callable
from typing import TypeVar

from core.stores.weaviate_choice import Choice
from core.stores.weaviate_client import WeaviateClient
from core.stores.weaviate_copies import Standing
from core.stores.weaviate_errors import BusyError, UnreachableError
from core.stores.weaviate_url import WeaviateUrl

_T = TypeVar("_T")

READ_SECONDS = 4.0
"""All that a search may take, whatever happens to the servers meanwhile."""
LIST_SECONDS = 30.0
WRITE_SECONDS = 60.0
_SILENCE_SECONDS = 10.0
"""A writer has patience with a server that is there and busy."""
_ATTEMPT_SHARE = 0.4
"""Where another server could answer as well, one has this share of the time that is left: a batch
whose server waits for a frozen one may get no answer for a minute."""
_ROUND_SECONDS = 25.0
"""A write goes around several servers again and again, as a majority that is gone may return."""
_PAUSE_SECONDS = 0.5


class WeaviateServers:
    """Calls that fail over. Opened at the first call; used from any number of threads."""

    def __init__(self, url: WeaviateUrl, api_key: str | None, *, ask_majority: bool = True) -> None:
        """`ask_majority`: where rows have copies, ask most of them and not only the nearest."""
        self.address = str(url)
        self.ask_majority = ask_majority
        self._count = len(url.addresses)
        self._choice = Choice(url, api_key)

    def read(self, act: Callable[[WeaviateClient], _T]) -> _T:
        """Something a person waits for. UnreachableError within READ_SECONDS."""
        return self._call(act, READ_SECONDS, 1.5)

    def find(self, act: Callable[[WeaviateClient], _T | None]) -> _T | None:
        """Like read, for what may be missing: None is taken from a server only that said it was
        ready, and was asked again then."""

        def act_surely(client: WeaviateClient) -> _T | None:
            found = act(client)
            if found is None:
                self._choice.current().check_ready()
                found = act(client)
            return found

        return self.read(act_surely)

    def page(self, act: Callable[[WeaviateClient], _T]) -> _T:
        """A piece of a long read."""
        return self._call(act, LIST_SECONDS, 1.5)

    def write(self, act: Callable[[WeaviateClient], _T]) -> _T:
        """Something that may be done twice, and is, where there are several servers."""
        alone = self._count == 1
        seconds = WRITE_SECONDS if alone else _ROUND_SECONDS
        again_until = time.monotonic() + WRITE_SECONDS / 2
        while True:
            try:
                return self._call(act, seconds, _SILENCE_SECONDS)
            except BusyError:
                if alone or time.monotonic() > again_until:
                    raise
            time.sleep(_PAUSE_SECONDS)

    def server_seconds(self) -> float:
        """The clock of the server that is being used."""
        return self.read(lambda _: self._choice.current().server_seconds())

    def close(self) -> None:
        """Idempotent."""
        self._choice.close()

    def _call(
        self, act: Callable[[WeaviateClient], _T], seconds: float, silence_seconds: float
    ) -> _T:
        deadline = time.monotonic() + seconds
        left = self._count
        kind = UnreachableError
        if left > 1:
            silence_seconds /= 5  # another one may answer meanwhile
        while True:
            connection = self._choice.best(deadline)
            used_before = connection.used
            connection.used = True
            share = _ATTEMPT_SHARE if left > 1 else 1
            try:
                return connection.call(
                    act,
                    seconds=share * (deadline - time.monotonic()),
                    silence_seconds=silence_seconds,
                    unready=left == 1 or connection.rank.standing is not Standing.SILENT,
                )
            except UnreachableError as error:
                self._choice.give_up(connection, error)
                kind = BusyError if isinstance(error, BusyError) else kind
                silence_seconds = min(silence_seconds, 1)
                left -= not used_before  # it may have been an old connection to a server restarted
                if left <= 0 or deadline - time.monotonic() < 0.2:
                    raise kind(self._sentence(error)) from error

    def _sentence(self, last: UnreachableError) -> str:
        others = self._count - 1
        also = f" Nor do the other {others} of {self.address}." if others else ""
        return f"{last}{also} Please start it, or correct 'store' in the configuration."
