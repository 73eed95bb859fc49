"""One model per machine: a process of its own for whoever needs it here (docs/serving.md)."""

from dataclasses import dataclass
from pathlib import Path

MOST_PIXEL_BYTES = 64 << 20
"""In one request; hundreds of pictures."""
ALIVE_SECONDS = 5.0
"""Whoever waits for an answer hears at least so often that it is being worked on."""


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """What the processes of the service are told."""

    file: str
    """Of the socket."""
    listener: int
    """The file descriptor that listens on it."""
    unload_seconds: float
    """0 = never."""
    level: str
    format: str
    """Of the log."""


def socket_file(state: Path) -> Path:
    """Where the model service of a state folder listens."""
    return state / "model" / "model.sock"
