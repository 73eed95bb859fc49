"""What one Weaviate server says of itself over plain HTTP, at once or not at all."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from core.errors import StoreError
from core.stores.weaviate_errors import FAILURES, UnreachableError, store_error
from core.stores.weaviate_url import Address

PROBE_SECONDS = 0.7


class SilentError(UnreachableError):
    """The server took the request and says nothing: frozen, or very busy."""


class Probe:
    """Asks it. Used from any number of threads."""

    def __init__(self, address: Address, *, secure: bool, api_key: str | None) -> None:
        self._address = address
        self._key = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._web = httpx.Client(
            base_url=f"http{'s' if secure else ''}://{address}/v1",
            verify=secure,  # else it reads all certificates of the world, 50 ms of a core
            trust_env=secure,
        )

    def server_seconds(self) -> float:
        """The server's clock. UnreachableError unless it says that it lives.

        Not that it is ready: a server of a cluster says no while the cluster elects a leader, and
        answers searches all the same.
        """
        return _server_seconds(self._confirmed("/.well-known/live"))

    def check_ready(self) -> None:
        """UnreachableError unless it says that it is ready: one that is starting may know of no
        collection yet, and takes what is asked for as missing."""
        self._confirmed("/.well-known/ready")

    def is_ready(self) -> bool:
        """UnreachableError only where nobody is there."""
        return self._get("/.well-known/ready", PROBE_SECONDS).is_success

    def nodes(self, seconds: float) -> tuple[list[Mapping[str, Any]], float]:
        """What the servers of its cluster say of themselves, and its clock. StoreError if it does
        not tell."""
        answer = self._get("/nodes?output=verbose", seconds, self._key)
        if not answer.is_success:
            raise StoreError(
                f"The Weaviate server {self._address} does not tell of its cluster "
                f"({answer.status_code})."
            )
        return answer.json()["nodes"], _server_seconds(answer)

    def close(self) -> None:
        """Idempotent."""
        self._web.close()

    def _confirmed(self, what: str) -> httpx.Response:
        answer = self._get(what, PROBE_SECONDS)
        if not answer.is_success:
            reason = f"it is not ready ({answer.status_code})"
            raise UnreachableError(
                f"The Weaviate server {self._address} does not answer ({reason})."
            )
        return answer

    def _get(
        self, what: str, seconds: float, key: Mapping[str, str] | None = None
    ) -> httpx.Response:
        try:
            return self._web.get(what, headers=key, timeout=seconds)
        except httpx.TimeoutException:
            raise SilentError(f"no answer within {seconds:g} s") from None
        except FAILURES as error:
            raise store_error(self._address, error) from None


def _server_seconds(answer: httpx.Response) -> float:
    return parsedate_to_datetime(answer.headers["date"]).timestamp()
