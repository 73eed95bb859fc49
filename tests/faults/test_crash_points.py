"""F3: SIGKILL before and after every write that outlives the process."""

import shutil
import subprocess
from contextlib import suppress

import pytest

from tests.faults import deviant
from tests.faults.conftest import Figure
from tests.faults.oracle import compare, converge
from tests.pictures import jpeg, write
from tests.project import Project

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120)]

BAD = {b"bad.jpg", b"new/bad.jpg"}


def dead(project: Project) -> bool:
    assert project.daemon
    return project.daemon.poll() is not None


def provoke(project: Project) -> bool:
    """Do what makes a daemon write everything it ever writes; True once it has died of it."""

    def changed() -> None:
        write(project.dataset / "1.jpg", 101)
        write(project.dataset / "new/21.jpg", 21)
        (project.dataset / "new/bad.jpg").write_bytes(jpeg(3)[:300])

    def moved() -> None:
        (project.dataset / "new").rename(project.dataset / "renamed")
        (project.dataset / "renamed/bad.jpg").unlink()
        (project.dataset / "2.jpg").rename(project.folder / "2.jpg")

    def back() -> None:
        shutil.move(project.folder / "2.jpg", project.dataset / "back.jpg")
        (project.dataset / "3.jpg").unlink()

    for act in (lambda: None, changed, moved, back):
        act()
        for _ in range(200):
            if dead(project):
                return True
            if project.status().get("state") == "watching" and not compare(project, bad=BAD).count:
                break
            _pause(project)
    return _dies_later(project)


def _pause(project: Project) -> None:
    assert project.daemon
    with suppress(subprocess.TimeoutExpired):
        project.daemon.wait(0.1)


def _dies_later(project: Project) -> bool:
    for _ in range(100):
        if dead(project):
            return True
        _pause(project)
    return False


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("label", deviant.POINTS)
def test_killed_at(project: Project, figure: Figure, label: str, when: str) -> None:
    killed_at(project, figure, label, when)


def killed_at(project: Project, figure: Figure, label: str, when: str) -> None:
    """At the first and at the second call."""
    points = 0
    for call in (1, 2):
        for n in range(12):
            write(project.dataset / f"{n}.jpg", n + 100 * call)
        (project.dataset / "bad.jpg").write_bytes(jpeg(2)[:300])
        deviant.launch(project, die=[label, when, call])
        if not provoke(project):
            assert call > 1, "the point is never reached"
            break
        points += 1
        project.daemon = None
        project.launch()
        converge(project, bad=BAD, seconds=30)
        project.wait(lambda: project.status()["state"] == "watching")
        found = compare(project, bad=BAD)
        assert found.count == found.doubled == 0
        project.stop()
        shutil.rmtree(project.dataset / "renamed", ignore_errors=True)
    if project.daemon:
        project.stop()
    figure("F3", f"SIGKILL {when}: {label}", kills=points, differences=0, duplicates=0)
