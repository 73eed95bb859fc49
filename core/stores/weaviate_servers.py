"""The servers of one cluster: a call goes to one or several, and to others where one is gone."""

import time
from collections.abc import Callable
from typing import TypeVar

from core.stores.weaviate_client import WeaviateClient
from core.stores.weaviate_connection import Connection
from core.stores.weaviate_errors import BusyError
from core.stores.weaviate_ring import Ring
from core.stores.weaviate_round import Round
from core.stores.weaviate_url import WeaviateUrl

_T = TypeVar("_T")

READ_SECONDS = 4.0
"""All that a search may take, whatever happens to the servers meanwhile."""
LIST_SECONDS = 30.0
"""A piece of a long read."""
WRITE_SECONDS = 60.0
_READ_SILENCE_SECONDS = 1.5
_WRITE_SILENCE_SECONDS = 10.0
"""A writer has patience with a server that is there and busy."""
_ROUND_SECONDS = 25.0
"""A write goes around several servers again and again, as a majority that is gone may return."""
_PAUSE_SECONDS = 0.5


class WeaviateServers:
    """Calls that fail over. Opened at the first call; used from any number of threads."""

    def __init__(self, url: WeaviateUrl, api_key: str | None) -> None:
        self.address = str(url)
        self._ring = Ring(url, api_key)

    def read(self, act: Callable[[WeaviateClient], _T]) -> _T:
        """Something a person waits for. UnreachableError within READ_SECONDS."""
        return self.several(act, 1)[0]

    def several(
        self, act: Callable[[WeaviateClient], _T], wanted: int, seconds: float = READ_SECONDS
    ) -> list[_T]:
        """The same from so many different servers, or from all that answer if those are fewer."""
        return self._reading(lambda _, client: act(client), seconds).ask(wanted)

    def find(self, act: Callable[[WeaviateClient], _T | None]) -> _T | None:
        """Like read, for what may be missing: None is taken from a server only that said it was
        ready, and was asked again then."""

        def act_surely(connection: Connection, client: WeaviateClient) -> _T | None:
            found = act(client)
            if found is None:
                connection.check_ready()
                found = act(client)
            return found

        return self._reading(act_surely).ask(1)[0]

    def write(self, act: Callable[[WeaviateClient], _T]) -> _T:
        """Something that may be done twice, and is, where there are several servers."""
        alone = len(self._ring) == 1
        again_until = time.monotonic() + WRITE_SECONDS / 2
        while True:
            asked = Round(
                self._ring,
                lambda _, client: act(client),
                seconds=WRITE_SECONDS if alone else _ROUND_SECONDS,
                silence_seconds=_WRITE_SILENCE_SECONDS,
            )
            try:
                return asked.ask(1)[0]
            except BusyError:
                if alone or time.monotonic() > again_until:
                    raise
            time.sleep(_PAUSE_SECONDS)

    def server_seconds(self) -> float:
        """The clock of the first server that answers."""
        return self._reading(lambda connection, _: connection.server_seconds()).ask(1)[0]

    def close(self) -> None:
        """Idempotent."""
        self._ring.close()

    def _reading(
        self, act: Callable[[Connection, WeaviateClient], _T], seconds: float = READ_SECONDS
    ) -> Round[_T]:
        return Round(self._ring, act, seconds=seconds, silence_seconds=_READ_SILENCE_SECONDS)
