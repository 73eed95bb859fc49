"""What follows from a sync, whoever asked for it: what is looked at again, what the status says."""

from collections.abc import Collection

from core.reader import COARSEST_TICK_SECONDS
from core.records import Place
from daemon.board import Board
from daemon.hints import Hints
from daemon.sync import SyncReport

FAILED_AGAIN_SECONDS = 60


class Aftermath:
    """Knows which files could not be read when last looked at."""

    def __init__(self, board: Board, hints: Hints, settle_seconds: float) -> None:
        self._board = board
        self._hints = hints
        self._settle_seconds = settle_seconds
        self._failed: dict[Place, str] = {}

    def follow(self, asked: Collection[Place], report: SyncReport) -> None:
        """After a sync of the places `asked`."""
        if not report.stopped:
            self._hints.done(asked)
        for place in report.again:
            self._hints.postpone(place, self._settle_seconds)
        for place in report.racy:
            self._hints.postpone(place, COARSEST_TICK_SECONDS)
        for place in [p for p in self._failed if any(a.covers(p) for a in asked)]:
            del self._failed[place]
        self._failed |= report.failed
        for place in report.failed:
            self._hints.postpone(place, FAILED_AGAIN_SECONDS)
        self._board.problem("unreadable", self._unreadable())
        for root, reason in report.suspended.items():
            self._board.state(root, "suspended", reason)

    def _unreadable(self) -> str | None:
        if not self._failed:
            return None
        place, reason = min(self._failed.items())
        more = f" and {len(self._failed) - 1} more" if len(self._failed) > 1 else ""
        return (
            f"Cannot be read: {place} ({reason}){more}. What is indexed of it stays; "
            "check the permissions and the disk."
        )
