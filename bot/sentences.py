"""Errors and the state of the index as sentences that may be shown to anybody.

Neither paths of this machine nor the store's address; those go to the log.
"""

import logging

from core.bootstrap import NothingIndexed
from core.durations import time_left
from core.errors import (
    AppError,
    BusyError,
    ImageError,
    ModelError,
    NotIndexed,
    StoreError,
    UsageError,
)
from core.state import Status

logger = logging.getLogger(__name__)

SHOW_ME = (
    "Post a picture with your message, or answer a message that has one; or use `/similar`, or "
    "the message menu, Apps, Find similar images."
)
NO_PICTURE = "There is no picture in this message."
TOO_OLD = "This answer is too old for that. Please post the picture again."
APOLOGY = "That went wrong. Whoever runs this bot finds the reason in its log."
STOPPING = "The bot is being restarted. Please try again in a moment."


def explain(error: Exception, status: Status | None) -> str:
    """What to tell; the rest goes to the log."""
    if isinstance(error, NothingIndexed):
        return f"Nothing is indexed yet{_building(status)}."
    if isinstance(error, ImageError):
        return f"The picture {error}."
    if isinstance(error, UsageError | NotIndexed | BusyError):
        return str(error)
    if isinstance(error, StoreError):
        logger.warning("A search failed: %s", error)
        return "The index cannot be reached at the moment. Please try again in a while."
    if isinstance(error, ModelError):
        logger.error("A search failed: %s", error)
        return "The model cannot be used at the moment. Whoever runs this bot finds why in its log."
    if isinstance(error, AppError):
        logger.warning("A search failed: %s", error)
        return "The search did not come to an end. Please try again in a while."
    logger.error("A search failed", exc_info=error)
    return APOLOGY


def is_fault(error: Exception) -> bool:
    """Whether it is for whoever runs the bot, rather than for the asker, to do something."""
    return not isinstance(error, NothingIndexed | ImageError | UsageError | NotIndexed | BusyError)


def nothing_there(status: Status | None, folder: str | None) -> str:
    """There is an index, and nothing in it to compare with."""
    if folder is not None:
        return f"No pictures are indexed below {folder}."
    return f"The index holds no pictures{_building(status)}."


def freshness(status: Status | None) -> str | None:
    """How well the index agrees with the disk; None where nobody knows."""
    if status is None:
        return None
    if status.state in ("scanning", "starting"):
        return f"index being built{_percent(status)}"
    return {
        "watching": "up to date",
        "suspended": "partly out of date: a folder is missing",
        "stopped": "not updated: the daemon is stopped",
    }.get(status.state)


def pause(seconds: float, now: float) -> str:
    """How long to wait; Discord counts it down. `now` is seconds since 1970."""
    return f"That was a lot at once. Please try again <t:{int(now + seconds) + 1}:R>."


def _building(status: Status | None) -> str:
    if status is None or status.state not in ("scanning", "starting"):
        return ""
    return f": the index is being built{_percent(status)}"


def _percent(status: Status) -> str:
    progress = status.progress
    if progress is None or not progress.total:
        return ""
    left = progress.seconds_left
    said = f", {100 * progress.done // progress.total} % of {progress.total:,} files"
    return said if left is None else f"{said}, {time_left(left)}"
