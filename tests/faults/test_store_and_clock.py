"""F18, F20, F28: the store away for an hour, clocks that step, state and store lost or set back."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.faults import deviant
from tests.faults.churn import Churn
from tests.faults.conftest import Figure
from tests.faults.oracle import compare, converge
from tests.faults.test_churn import bad_files
from tests.pictures import write
from tests.project import Project

FAST = 60
"""The daemon's steady clock runs so much faster: an hour passes in a minute."""


@pytest.mark.faults
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("seconds", "operations"), [(360, 800), (3600, 8_000)])
def test_the_store_is_away(project: Project, figure: Figure, seconds: int, operations: int) -> None:
    """On a clock that runs faster."""
    for n in range(200):
        write(project.dataset / f"{n}.jpg", n)
    project.configure(watch={"settle_seconds": 0.2, "hold_deletions_above": 1})
    clock, flag = project.folder / "clock", project.folder / "away"
    clock.write_text(f"0 {FAST}")
    deviant.launch(project, away=str(flag), clock=str(clock))
    converge(project)
    assert project.daemon
    process = psutil.Process(project.daemon.pid)
    flag.touch()
    write(project.dataset / "new.jpg", 999)
    project.wait(lambda: "The store is away." in project.status()["problems"])
    churn = Churn(project.dataset, project.folder / "out", 18, operations=operations)
    churn.start(pause_seconds=seconds / FAST * 16 / operations)
    time.sleep(seconds / FAST / 6)
    before = process.memory_info().rss
    churn.join()
    grown = process.memory_info().rss / before - 1
    flag.unlink()
    took = converge(project, bad=bad_files(project.dataset), seconds=90)
    found = compare(project, bad=bad_files(project.dataset))
    figure(
        "F18",
        f"store away for {seconds:,} s (injected clock), {operations:,} operations meanwhile",
        differences=found.count, memory_grown_percent=100 * grown, equal_after_seconds=took,
    )  # fmt: skip
    assert grown < 0.05
    project.wait(lambda: not project.status()["problems"])


LONG = pytest.mark.faults


@pytest.mark.parametrize(
    "step",
    [
        -3600,
        pytest.param(3600, marks=LONG),
        pytest.param(-10 * 365 * 86400, id="-10y", marks=LONG),
    ],
)
def test_the_clock_steps(project: Project, figure: Figure, step: int) -> None:
    clock = project.folder / "clock"
    write(project.dataset / "a/1.jpg", 1)
    deviant.launch(project, clock=str(clock))
    converge(project)
    write(project.dataset / "a/2.jpg", 2)
    clock.write_text(f"{step} 1")
    write(project.dataset / "a/3.jpg", 3)
    (project.dataset / "a/1.jpg").rename(project.dataset / "a/4.jpg")
    first = converge(project)
    write(project.dataset / "a/3.jpg", 5)
    (project.dataset / "a/2.jpg").unlink()
    clock.write_text("0 1")
    write(project.dataset / "a/6.jpg", 6)
    longest = max(first, converge(project))
    figure("F20", f"clock steps {step:+,} s and back", differences=0, longest_seconds=longest)
    assert longest < 3
    project.cli("sync")
    assert compare(project).count == 0
    assert project.embedded() == 5


def lose(folder: Path) -> None:
    shutil.rmtree(folder)


def corrupt(folder: Path) -> None:
    for file in folder.iterdir():
        if file.is_file():
            file.write_bytes(b"\xff{rubbish" * 50)


@pytest.mark.faults
@pytest.mark.parametrize("name", ["deleted", "corrupted", "set back"])
def test_the_state_is(project: Project, figure: Figure, name: str) -> None:
    the_state_is(project, figure, name)


def the_state_is(project: Project, figure: Figure, name: str) -> None:
    """Lost in one way or another, between two runs of the daemon."""
    state, copy = project.folder / "var/state", project.folder / "yesterday"
    yesterday_and_today(project, lambda: shutil.copytree(state, copy))
    match name:
        case "deleted":
            lose(state)
        case "corrupted":
            corrupt(state / "daemon")
        case _:
            lose(state)
            copy.rename(state)
    before = project.embedded() if name == "set back" else 0
    project.start()
    seconds = converge(project, bad={b"bad.jpg"})
    again = project.embedded() - before
    figure("F28", f"state {name}", differences=0, embeddings=again, seconds=seconds)
    assert again == 0
    project.wait(lambda: project.status()["rejected"] == 1)
    project.cli("verify", "--content")


@pytest.mark.faults
@pytest.mark.parametrize("name", ["set back", "emptied"])
def test_the_store_is(project: Project, figure: Figure, name: str) -> None:
    index, copy = project.folder / "var/index", project.folder / "yesterday"
    yesterday_and_today(project, lambda: shutil.copytree(index, copy))
    lose(index)
    if name == "set back":
        copy.rename(index)
    catch_up(project, figure, name)


def catch_up(project: Project, figure: Figure, name: str) -> None:
    """With the store as it is: known bytes cost no embedding, unless all is gone."""
    before = project.embedded()
    project.start()
    seconds = converge(project, bad={b"bad.jpg"})
    again = project.embedded() - (before if name == "set back" else 0)
    figure("F28", f"store {name}", differences=0, embeddings=again, seconds=seconds)
    assert again <= (20 if name == "set back" else 110)
    project.cli("verify", "--content")


def yesterday_and_today(project: Project, copy: Callable[[], object]) -> None:
    """100 files yesterday; today 20 new ones, 10 gone and 10 moved."""
    for n in range(100):
        write(project.dataset / f"{n}.jpg", n)
    (project.dataset / "bad.jpg").write_bytes(b"no picture")
    project.start()
    converge(project, bad={b"bad.jpg"})
    project.stop()
    copy()
    for n in range(20):
        write(project.dataset / f"new/{n}.jpg", 1000 + n)
    for n in range(10):
        (project.dataset / f"{n}.jpg").unlink()
        (project.dataset / f"{n + 50}.jpg").rename(project.dataset / f"moved-{n}.jpg")
    project.start()
    converge(project, bad={b"bad.jpg"})
    project.stop()
