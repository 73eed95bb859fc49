"""Fixtures of the fault suite: every test leaves its figures in one table."""

from collections.abc import Callable, Generator

import pytest

from tests.faults.table import Row, markdown, text_of, write_into

Figure = Callable[..., None]
_ROWS = pytest.StashKey[list[Row]]()
_MINE = pytest.StashKey[list[tuple[str, str, str]]]()


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Figure:
    """`figure("F6", "umount -l, 10,000 rows", deletions=0)`: a row of the table."""
    mine = request.node.stash.setdefault(_MINE, [])

    def note(fault: str, what: str, /, **figures: object) -> None:
        mine.append((fault, what, text_of(figures)))

    return note


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.when == "call":
        rows = item.config.stash.setdefault(_ROWS, [])
        took = f"{report.duration:.1f} s" + ("" if report.passed else f", **{report.outcome}**")
        rows += [Row(*figures, took) for figures in item.stash.get(_MINE, [])]
    return report


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    rows = config.stash.get(_ROWS, [])
    if not rows:
        return
    terminalreporter.section("faults")
    terminalreporter.write(markdown(rows))
    if file := config.getoption("--faults-table"):
        write_into(file, rows)
