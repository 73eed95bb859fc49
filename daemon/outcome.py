"""What a run of daemon.ingest is told, and what it tells."""

from dataclasses import dataclass, field
from typing import Protocol

from core.errors import DecoderError, ImageError
from core.reader import ChangingError
from core.records import FileStamp, Place


@dataclass
class Outcome:
    """What became of the files of one run."""

    written: list[Place] = field(default_factory=list)
    embedded: int = 0
    found_again: set[str] = field(default_factory=set)
    """Digests written, of those that were looked for."""
    rejected: dict[Place, tuple[FileStamp, str]] = field(default_factory=dict)
    changing: list[Place] = field(default_factory=list)
    """Files that were being written, or vanished: to be looked at again soon."""
    racy: list[Place] = field(default_factory=list)
    """Written, but read so shortly after a change that they must be looked at again."""
    failed: dict[Place, str] = field(default_factory=dict)
    """Files that are there and could not be read, and why."""

    def note(self, place: Place, stamp: FileStamp, error: Exception) -> None:
        """Why there is no row of this file."""
        match error:
            case ImageError():
                self.rejected[place] = (stamp, str(error))
            case ChangingError() | FileNotFoundError() | NotADirectoryError():
                self.changing.append(place)  # the next look says what became of it
            case OSError():
                self.failed[place] = str(error.strerror)
            case DecoderError():
                self.failed[place] = str(error)


class Monitor(Protocol):
    """What a run tells and asks while it works."""

    def stopping(self) -> bool:
        """Whether to give up: what is written stays, the rest is found by the next sync."""
        ...

    def superseded(self, place: Place) -> bool:
        """Whether a later sync has dealt with the place: its result must not be overwritten."""
        ...

    def embedded(self, count: int) -> None:
        """So many pictures went through the model."""
        ...

    def finished(self, files: int) -> None:
        """So many more files are dealt with, one way or another."""
        ...

    def between(self) -> None:
        """Nothing is being written right now: the moment for more urgent work."""
        ...
