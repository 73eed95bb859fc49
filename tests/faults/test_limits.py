"""F4, F10, F11: more changes than the queue holds, no watches left, no instances left."""

import os
import signal
from collections.abc import Iterator

import pytest

from tests.faults.conftest import Figure
from tests.faults.namespace import Namespace
from tests.faults.oracle import converge
from tests.pictures import jpeg, write
from tests.project import Project

SCAN_SECONDS = 3
OVERFLOW = "Too many changes at once"


@pytest.fixture
def limited(project: Project) -> Iterator[Namespace]:
    project.configure(watch={"settle_seconds": 0.2, "rescan_minutes": SCAN_SECONDS / 60})
    with Namespace() as namespace:
        yield namespace
        if project.daemon:
            project.stop(signal.SIGKILL)


# ---- F4 -----------------------------------------------------------------------------------------


@pytest.mark.timeout(600)
@pytest.mark.parametrize("operations", [20_000, pytest.param(50_000, marks=pytest.mark.faults)])
def test_stopped_while_more_happens_than_the_queue_holds(
    project: Project, figure: Figure, operations: int
) -> None:
    project.configure(watch={"settle_seconds": 0.2, "hold_deletions_above": 1})
    tiny = jpeg(0, (24, 16))
    files = [project.dataset / f"{n % 7}/{n}.jpg" for n in range(200)]
    for n, file in enumerate(files):
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(tiny + n.to_bytes(4))
    project.start()
    assert project.daemon
    project.daemon.send_signal(signal.SIGSTOP)
    for n in range(operations // 2):  # one renames, one writes or makes or deletes
        file = files[n % 200]
        moved = file.with_name(f"{n}-{file.name.rpartition('-')[2]}")
        if n % 10:
            file.rename(moved)
            os.utime(moved)
        else:
            file.unlink()
            moved.write_bytes(tiny + n.to_bytes(4) + b"new")
        files[n % 200] = moved
    for n in range(20):  # folders whose making is lost
        write(project.dataset / f"late/{n}/deeper/{n}.jpg", n)
    project.daemon.send_signal(signal.SIGCONT)
    seconds = converge(project, seconds=120)
    overflows = project.log().count(OVERFLOW)
    write(project.dataset / "late/7/deeper/after.jpg", 99)  # watched again, at any depth
    after = converge(project, seconds=10)
    figure(
        "F4", f"SIGSTOP, {operations:,} operations, SIGCONT",
        overflows_noticed=overflows, differences=0, equal_after_seconds=seconds,
        then_a_new_file_after_seconds=after,
    )  # fmt: skip
    assert overflows >= 1


# ---- F10, F11 -----------------------------------------------------------------------------------


def degraded(project: Project) -> str:
    """What the status says about watching, once it does."""

    def found() -> list[str]:
        problems = project.status().get("problems", [])
        return [text for text in problems if "inotify" in text]

    project.wait(found)
    return found()[0]


@pytest.mark.faults
@pytest.mark.parametrize(
    ("fault", "limit", "value"),
    [("F10", "max_inotify_watches", 50), ("F11", "max_inotify_instances", 0)],
)
def test_without_watches_or_instances_left_it_scans_and_says_so(
    project: Project, limited: Namespace, figure: Figure, fault: str, limit: str, value: int
) -> None:
    for n in range(500):
        file = project.dataset / f"{n}/{n}.jpg"
        file.parent.mkdir()
        file.write_bytes(jpeg(n % 5, (24, 16)) + n.to_bytes(4))
    limited.limit(limit, value)
    limited.launch(project)
    converge(project)
    said = degraded(project)
    for n in range(0, 500, 5):
        write(project.dataset / f"{n}/new.jpg", n)
        (project.dataset / f"{n + 1}/{n + 1}.jpg").rename(project.dataset / f"{n + 1}/moved.jpg")
    seconds = converge(project)
    figure(
        fault, f"{limit} {value}, 500 folders, a scan every {SCAN_SECONDS} s",
        differences=0, equal_after_seconds=seconds, said=f"'{said}'",
    )  # fmt: skip
    assert seconds <= 2 * SCAN_SECONDS
