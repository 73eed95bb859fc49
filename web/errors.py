"""Which HTTP status an error is, and the sentence that goes with it."""

from core.bootstrap import NothingIndexed
from core.config import Config
from core.errors import (
    AppError,
    BusyError,
    DecoderError,
    ImageError,
    ModelError,
    NotIndexed,
    StoreError,
    UsageError,
)
from core.originals import OriginalAway
from core.redaction import redact

RETRY_SECONDS = 2
"""Where no better time is known after which the same request may succeed."""

_STATUS: dict[type[AppError], int] = {
    UsageError: 400,
    ImageError: 422,
    NotIndexed: 404,
    OriginalAway: 404,
    NothingIndexed: 503,
    BusyError: 503,
    DecoderError: 503,
    ModelError: 503,
    StoreError: 503,
}


class RequestError(AppError):
    """A request refused for its form rather than for what it asks."""

    def __init__(self, status: int, sentence: str, retry_after_seconds: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.retry_after_seconds = retry_after_seconds


def status_of(error: AppError) -> int:
    """The HTTP status; what has none of its own could not be done now: 503."""
    if isinstance(error, RequestError):
        return error.status
    return next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 503)


def sentence_of(error: AppError, config: Config) -> str:
    """What to tell the client."""
    if isinstance(error, ImageError):
        return redact(f"This file {error}.", config)
    return redact(str(error), config)


def headers_of(error: AppError) -> dict[str, str]:
    """Retry-After, where waiting helps."""
    seconds = getattr(error, "retry_after_seconds", None)
    if seconds is None and status_of(error) == 503:
        seconds = RETRY_SECONDS
    return {} if seconds is None else {"Retry-After": str(seconds)}
