"""Counts, before the first root of several is indexed, what the others will come to."""

from collections.abc import Iterable
from typing import Protocol

from core.records import Place
from daemon.scanner import Findings, Scanner


class Expecting(Protocol):
    """Who wants to know."""

    def expect(self, root: str, files: int) -> None:
        """About so many files will be planned for a root whose turn comes later."""
        ...

    def stopping(self) -> bool:
        """Whether to give up."""
        ...

    def between(self) -> None:
        """The moment for more urgent work."""
        ...


def forecast(scanners: Iterable[Scanner], monitor: Expecting) -> None:
    """Of roots without rows: there, every candidate is work."""
    for scanner in scanners:
        files = 0
        for listing in scanner.look(Place(scanner.root, ""), Findings()):
            files += len(listing.files)
            if monitor.stopping():
                return
            monitor.between()
        monitor.expect(scanner.root, files)
