"""What the Weaviate client raises -> a StoreError with a sentence a person can act on."""

import re

import httpx

from core.errors import StoreAwayError, StoreError
from core.stores.weaviate_client import exceptions

FAILURES = (exceptions.WeaviateBaseError, httpx.HTTPError, OSError, RuntimeError, ValueError)
"""REST lets httpx's errors through; a channel that was closed under a call raises ValueError."""


class UnreachableError(StoreAwayError):
    """This server cannot answer now; another one, or this one later, may."""


class NoCollectionError(StoreError):
    """The collection does not exist (any more)."""


class TooManyResultsError(StoreError):
    """More was asked for at once than the server's QUERY_MAXIMUM_RESULTS."""


_UNREACHABLE = (
    exceptions.WeaviateConnectionError,
    exceptions.WeaviateTimeoutError,
    exceptions.WeaviateGRPCUnavailableError,
    exceptions.WeaviateRetryError,
    exceptions.WeaviateClosedClientError,
    httpx.TransportError,
    OSError,
)
_BUSY_STATUS = {408, 429, 500, 502, 503, 504}

# In this order: the first one that the server's text matches says what is wrong.
_TEXTS: list[tuple[str, type[StoreError], str]] = [
    (r"query maximum results exceeded", TooManyResultsError, ""),
    (r"could not find class|not present in schema|class \S+ not found|cannot find index|"
     r"class not found|no such class", NoCollectionError, ""),
    (r"unauthenticated|unauthorized|anonymous access|api[- ]?key|\b401\b", StoreError,
     "refuses the key. Please set WEAVIATE_API_KEY to a key that the server knows"),
    (r"forbidden|permission|\b403\b", StoreError,
     "does not allow it with this key. Please use the key that may write for the daemon, "
     "any other for searching"),
    (r"read-?only", StoreError,
     "takes no writes, its data is read-only. Please free some space on its disk"),
    (r"memory pressure|not enough memory|out of memory|resource_?exhausted", StoreError,
     "has too little memory. Please give it more"),
    (r"vector lengths don't match|dimensions do not match", StoreError,
     "holds vectors of another length. Please choose another NAME in 'store'"),
    (r"unavailable|deadline exceeded|socket closed|connection re(set|fused)|cancelled|"
     r"channel closed|closed channel|failed to connect|leader not found|no leader|"
     r"enough replicas|not ready|consistency level|transport|context canceled|shutting down",
     UnreachableError, ""),
]  # fmt: skip


def store_error(address: object, error: BaseException) -> StoreError:
    """The sentence for `error`, which came from the server at `address`."""
    if isinstance(error, StoreError):
        return error
    text = _text(error)
    server = f"The Weaviate server {address}"
    if isinstance(error, exceptions.InsufficientPermissionsError):
        text = f"403 {text}"
    elif isinstance(error, _UNREACHABLE) or _status(error) in _BUSY_STATUS:
        return UnreachableError(f"{server} does not answer: {text}.")
    for pattern, kind, advice in _TEXTS:
        if re.search(pattern, text, re.IGNORECASE):
            if advice:
                return kind(f"{server} {advice} ({text}).")
            return kind(f"{server} does not answer: {text}.")
    return StoreError(f"The Weaviate server {address} refused: {text}.")


def _status(error: BaseException) -> int | None:
    if isinstance(error, exceptions.UnexpectedStatusCodeError):
        return error.status_code
    return None


def _text(error: BaseException) -> str:
    text = str(getattr(error, "message", "") or error) or type(error).__name__
    if isinstance(error, httpx.TimeoutException):
        text = "no answer in time"
    elif "Connection refused" in text:
        text = "connection refused"
    # What wraps the reason, layer by layer, says nothing to a person.
    text = re.sub(r"^.*?protocol GRPC \w+ failed with message ", "", text, flags=re.DOTALL)
    text = re.sub(r"^.*?Here is the set of all errors: ", "", text, flags=re.DOTALL)
    text = re.sub(r"^(explorer: |list class: |search: )+", "", text)
    return " ".join(text.split())[:300].rstrip(".")
