"""F25, F26: threads that end without a word, and one that hangs. Only events find changes here:
the next scan is half an hour away."""

import time

import pytest

from tests.faults import deviant
from tests.faults.conftest import Figure
from tests.faults.oracle import converge
from tests.pictures import write
from tests.project import Project


@pytest.mark.faults
@pytest.mark.parametrize("label", sorted(deviant.LOOPS))
def test_a_thread_that_ends_is_replaced(project: Project, figure: Figure, label: str) -> None:
    flag = project.folder / "flag"
    write(project.dataset / "1.jpg", 1)
    deviant.launch(project, fell=str(flag))
    project.wait(lambda: project.status()["state"] == "watching")
    flag.write_text(label)
    write(project.dataset / "2.jpg", 2)
    if label == "listener for commands":
        assert "kept" in project.cli("sync", code=1).stderr  # ends the listener
    project.wait(lambda: not flag.exists())
    began = time.monotonic()
    write(project.dataset / "3.jpg", 3)
    converge(project)
    project.wait_indexed(3)
    project.cli("sync")
    seconds = time.monotonic() - began
    figure("F25", f"{label} ended", recovered_after_seconds=seconds, differences=0)
    assert seconds < 5


@pytest.mark.faults
@pytest.mark.timeout(120)
def test_a_reader_that_hangs_is_replaced(project: Project, figure: Figure) -> None:
    flag = project.folder / "flag"
    write(project.dataset / "1.jpg", 1)
    deviant.launch(project, stuck=str(flag))
    project.wait(lambda: project.status()["state"] == "watching")
    began = time.monotonic()
    flag.touch()
    write(project.dataset / "2.jpg", 2)
    project.wait(lambda: "have ceased to arrive" in project.log(), 60)
    noticed = time.monotonic() - began
    project.wait(lambda: "have ceased to arrive" in str(project.status()["problems"]))
    flag.unlink()
    began = time.monotonic()
    converge(project)
    figure(
        "F26", "the reader of events hangs",
        noticed_after_seconds=noticed, equal_after_seconds=time.monotonic() - began, differences=0,
    )  # fmt: skip
    assert noticed < 45
