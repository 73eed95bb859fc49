"""Counts what the status shows of the index."""

import time

from core.records import Place
from core.stores import Database
from daemon.board import Board
from daemon.holds import Holds
from daemon.mirrors import Mirrors

COUNT_SECONDS = 1


class Tally:
    """Rows of the index that answers, and what is held of them, for the board."""

    def __init__(self, board: Board, database: Database, mirrors: Mirrors, holds: Holds) -> None:
        self._board = board
        self._database = database
        self._mirrors = mirrors
        self._holds = holds
        self._counted = 0.0

    def count(self) -> None:
        """The rows of each root, at most once a second."""
        if time.monotonic() - self._counted >= COUNT_SECONDS:
            store = self._database.vectors(self._mirrors.catalogue.serving)
            for root in self._board.indexed:
                self._board.indexed[root] = store.count([Place(root, "")])
            self._counted = time.monotonic()
            self._board.moved()

    def refresh(self) -> None:
        """All of it, now."""
        board, catalogue = self._board, self._mirrors.catalogue
        indexed = self._database.vectors(catalogue.serving).roots()
        board.model = catalogue.serving
        foreign = sorted(indexed.keys() - board.indexed.keys())
        board.indexed = {root: indexed.get(root, 0) for root in board.indexed}
        self._counted = time.monotonic()
        board.held = len(self._holds)
        board.problem("foreign roots", _foreign_sentence(foreign) if foreign else None)
        board.problem(
            "held",
            f"{board.held} deletions are held back; if they are right, run: lookalike approve"
            if board.held
            else None,
        )
        board.moved()


def _foreign_sentence(roots: list[str]) -> str:
    names = ", ".join(roots)
    return (
        f"No longer configured, kept and not searched: {names}. "
        f"To delete their rows, run: lookalike forget {roots[0]}"
    )
