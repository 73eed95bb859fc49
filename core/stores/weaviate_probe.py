"""What one Weaviate server says of itself over plain HTTP, at once or not at all."""

import threading
from email.utils import parsedate_to_datetime

import httpx

from core.stores.weaviate_errors import FAILURES, UnreachableError, store_error
from core.stores.weaviate_url import Address

PROBE_SECONDS = 0.7


class SilentError(UnreachableError):
    """The server took the request and says nothing: frozen, or very busy."""


class NotReadyError(UnreachableError):
    """The server is there, and says that it is starting, or that its cluster has no leader."""


class Probe:
    """Asks it. Used from any number of threads."""

    def __init__(self, address: Address, *, secure: bool) -> None:
        self._address = address
        self._secure = secure
        self._lock = threading.Lock()
        self._web: httpx.Client | None = None
        self._closed = False

    def server_seconds(self) -> float:
        """The server's clock. UnreachableError unless it says that it lives.

        Not that it is ready: a server of a cluster says no while the cluster elects a leader, and
        answers searches all the same.
        """
        answer = self._ask("/.well-known/live")
        return parsedate_to_datetime(answer.headers["date"]).timestamp()

    def check_ready(self) -> None:
        """UnreachableError unless it says that it is ready: one that is starting may know of no
        collection yet, and takes what is asked for as missing."""
        self._ask("/.well-known/ready")

    def close(self) -> None:
        """Idempotent."""
        with self._lock:
            self._closed = True
            if self._web:
                self._web.close()

    def _ask(self, what: str) -> httpx.Response:
        try:
            answer = self._client().get(what)
        except httpx.TimeoutException:
            raise SilentError(f"no answer within {PROBE_SECONDS:g} s") from None
        except FAILURES as error:
            raise store_error(self._address, error) from None
        if not answer.is_success:
            reason = f"it is not ready ({answer.status_code})"
            raise NotReadyError(f"The Weaviate server {self._address} does not answer ({reason}).")
        return answer

    def _client(self) -> httpx.Client:
        with self._lock:
            if self._web is None:
                if self._closed:
                    raise RuntimeError("the connection was closed")
                self._web = httpx.Client(
                    base_url=f"http{'s' if self._secure else ''}://{self._address}/v1",
                    timeout=PROBE_SECONDS,
                    verify=self._secure,  # else it reads all certificates of the world, 50 ms
                    trust_env=self._secure,
                )
            return self._web
