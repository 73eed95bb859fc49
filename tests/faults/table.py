"""The table that the fault suite prints, and writes into a document with `--faults-table FILE`."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

FIGURES = "figures"
"""Name of the property of a report that holds fault, case and figures."""
BEGIN, END = "<!-- fault table: begin -->", "<!-- fault table: end -->"
HEAD = ("fault", "what was done", "figures", "took")


class Row(NamedTuple):
    """What one test, or one case of it, has measured."""

    fault: str
    what: str
    figures: str
    took: str

    @property
    def order(self) -> tuple[int, str, str]:
        """By the number of the fault."""
        number = re.search(r"\d+", self.fault)
        return (int(number[0]) if number else 0, self.fault, self.what)


def text_of(figures: dict[str, object]) -> str:
    """`deletions=0, seconds_to_suspended=0.41` as people read it."""
    return ", ".join(f"{name.replace('_', ' ')} {_number(n)}" for name, n in figures.items())


def _number(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}" if value < 10 else f"{value:.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def markdown(rows: Iterable[Row]) -> str:
    """The rows in order, the last of those with one fault and one case."""
    last = {(row.fault, row.what): row for row in rows}
    cells = [HEAD, ("---",) * len(HEAD), *sorted(last.values(), key=lambda row: row.order)]
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def write_into(file: Path, rows: Iterable[Row]) -> None:
    """Replace these rows in the table of a document; a run of a part keeps the rest."""
    document = file.read_text(encoding="utf-8") if file.exists() else f"{BEGIN}\n{END}\n"
    before, begin, rest = document.partition(BEGIN)
    old, end, after = rest.partition(END)
    assert begin and end, f"{file} has no lines '{BEGIN}' and '{END}'"
    lines = [line.strip("| \n").split(" | ") for line in old.strip().splitlines()[2:]]
    table = markdown([*(Row(*cells) for cells in lines), *rows])
    file.write_text(f"{before}{BEGIN}\n{table}{END}{after}", encoding="utf-8")


class FaultTable:
    """A plugin of pytest that collects what the tests have measured, wherever they ran."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._rows: list[Row] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A hook of pytest."""
        if report.when == "call":
            took = f"{report.duration:.1f} s" + ("" if report.passed else f", **{report.outcome}**")
            figures = [value for name, value in report.user_properties if name == FIGURES]
            self._rows += [Row(*each, took) for each in figures]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """A hook of pytest."""
        if self._rows:
            terminalreporter.section("faults")
            terminalreporter.write(markdown(self._rows))
            if self._file:
                write_into(self._file, self._rows)
