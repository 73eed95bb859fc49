"""The report as a person reads it: by check, what is wrong in colour and with what to do."""

import textwrap

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.text import Text

from cli.doctor.findings import Finding, Level
from cli.doctor.quantities import count

_STYLES = {"ok": "green", "note": "yellow", "problem": "bold red"}
_WIDEST = 100
"""Longer lines read badly."""


class Report:
    """Shows each check's findings as they come, and meanwhile what is being done."""

    def __init__(self, *, quiet: bool) -> None:
        """`quiet`: draw nothing but the progress bar."""
        self.found: list[tuple[str, list[Finding]]] = []
        self._quiet = quiet
        self._console = Console(highlight=False)
        if not self._console.is_terminal:
            self._console = Console(highlight=False, width=10_000)  # whole sentences for scripts
        else:
            self._console.width = min(self._console.width, _WIDEST)
        errors = Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[counted]}"),
            console=errors,
            transient=True,
            disable=not errors.is_terminal,
        )
        self._task = self._progress.add_task("Looking", total=None, counted="")

    def __enter__(self) -> "Report":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def doing(self, what: str, done: int, total: int | None) -> None:
        """Show it, from whatever thread."""
        self._progress.update(
            self._task,
            description=what,
            completed=done,
            total=total,
            counted=f"{done:,}" if done else "",
        )

    def add(self, check: str, findings: list[Finding]) -> None:
        """The check has ended."""
        self.found.append((check, findings))
        if self._quiet:
            return
        self._progress.stop()  # or it would be drawn into the lines
        self._console.print(Text(check, "bold"))
        for finding in findings:
            style = _STYLES[finding.level]
            self._print(f"  {finding.level:<9}", style, finding.found)
            if finding.do:
                self._print(f"{'→ ':>13}", style, finding.do)
        self._console.print()
        self._progress.start()

    def _print(self, margin: str, style: str, sentence: str) -> None:
        """What is too long goes on below itself."""
        room = self._console.width - len(margin)
        lines = textwrap.wrap(sentence, room, break_long_words=False, break_on_hyphens=False)
        for number, line in enumerate(lines):
            begin = Text(" " * len(margin)) if number else Text(margin, style)
            self._console.print(begin + Text(line), soft_wrap=True)

    def count(self, level: Level) -> int:
        """How many findings of this level there are."""
        return sum(finding.level == level for _, found in self.found for finding in found)

    def summarise(self) -> None:
        """The last line."""
        problems, notes = self.count("problem"), self.count("note")
        if problems:
            told, style = (
                f"{count(problems, 'problem')}, {count(notes, 'note')}.",
                _STYLES["problem"],
            )
        else:
            told, style = f"No problem, {count(notes, 'note')}.", _STYLES["ok"]
        self._console.print(Text(told, style))
