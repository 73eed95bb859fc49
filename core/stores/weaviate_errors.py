"""What the Weaviate client raises -> a StoreError with a sentence a person can act on."""

import re

import httpx

from core.errors import StoreAwayError, StoreError
from core.stores.weaviate_client import exceptions

FAILURES = (exceptions.WeaviateBaseError, httpx.HTTPError, OSError, RuntimeError, ValueError)
"""REST lets httpx's errors through; a channel that was closed under a call raises ValueError."""


class UnreachableError(StoreAwayError):
    """This server cannot answer now; another one, or this one later, may."""


class BusyError(UnreachableError):
    """The server is there and cannot do it now, as when the majority of its cluster is gone."""


class NoCollectionError(StoreError):
    """The collection does not exist (any more)."""


class NotAllowedError(StoreError):
    """The key is known and may not do this."""


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
_AWAY = (UnreachableError, "does not answer")
_BUSY = (BusyError, "does not answer")
_KEY = (
    StoreError,
    "refuses the key. Please set WEAVIATE_API_KEY to a key that the server knows",
)
_RIGHTS = (
    NotAllowedError,
    "does not allow it with this key. Please give the daemon the key that may write; "
    "one that may read is enough for searching",
)
_STATUS = {401: _KEY, 403: _RIGHTS} | dict.fromkeys((408, 429, 500, 502, 503, 504), _BUSY)
# In this order: the first that matches the server's words says what is wrong. gRPC has no codes of
# its own for most of it, and the client keeps only the words of the others.
_WORDS = [
    (r"query maximum results exceeded", (TooManyResultsError, "gives fewer rows at once")),
    (
        r"could not find class|not present in schema|cannot find index|class \S+ not found|"
        r"non-existing index",
        (NoCollectionError, "does not have the collection"),
    ),
    (r"unauthenticated|unauthorized|anonymous access|invalid api[- ]?key", _KEY),
    (r"forbidden|insufficient permissions|permission denied", _RIGHTS),
    (
        r"read-?only",
        (
            StoreError,
            "takes no writes: its data is read-only, usually because its disk is nearly full. "
            "Please free some space there",
        ),
    ),
    (
        r"memory pressure|not enough memory|out of memory|resource_?exhausted",
        (StoreError, "has too little memory. Please give it more"),
    ),
    (
        r"vector lengths don't match|dimensions do not match",
        (StoreError, "holds vectors of another length. Please choose another NAME in 'store'"),
    ),
    (
        r"leader not found|no leader|enough replicas|no (read|write) replica|consistency level|"
        r"not ready|shutting down",
        _BUSY,
    ),
    (
        r"unavailable|deadline exceeded|socket closed|connection re(set|fused)|cancel|"
        r"closed channel|failed to connect",
        _AWAY,
    ),
]


def store_error(address: object, error: BaseException) -> StoreError:
    """The sentence for `error`, which came from the server at `address`."""
    if isinstance(error, StoreError):
        return error
    text = _text(error)
    kind, sentence = _meaning(error, text)
    return kind(f"The Weaviate server {address} {sentence} ({text}).")


def _meaning(error: BaseException, text: str) -> tuple[type[StoreError], str]:
    if isinstance(error, exceptions.InsufficientPermissionsError):
        return _RIGHTS
    if isinstance(error, exceptions.UnexpectedStatusCodeError) and error.status_code in _STATUS:
        return _STATUS[error.status_code]
    if isinstance(error, _UNREACHABLE):
        return _AWAY
    for pattern, meaning in _WORDS:
        if re.search(pattern, text, re.IGNORECASE):
            return meaning
    return StoreError, "could not do what was asked"


def _text(error: BaseException) -> str:
    text = str(getattr(error, "message", "") or error) or type(error).__name__
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    if "Connection refused" in text:
        return "connection refused"
    if match := re.search(r"'message': (['\"])(.*?)\1\s*[,}]", text):
        text = match[2]
    # What wraps the reason, layer by layer, says nothing to a person.
    text = re.sub(r"^.*?protocol GRPC \w+ failed with message ", "", text, flags=re.DOTALL)
    text = re.sub(r"^.*?Here is the set of all errors: ", "", text, flags=re.DOTALL)
    text = re.sub(r"^(explorer: |list class: |search: )+", "", text)
    return " ".join(text.split())[:300].rstrip(".")
