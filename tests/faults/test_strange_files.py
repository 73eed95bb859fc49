"""F17, F24: symlink loops, and what looks like a picture but is a pipe, a socket or a device."""

import os
import socket
import stat
import time

import pytest

from tests.faults.conftest import Figure
from tests.faults.oracle import compare, converge, in_store
from tests.pictures import write
from tests.project import Project


@pytest.mark.faults
def test_symlink_loops_end(project: Project, figure: Figure) -> None:
    top = project.dataset
    deep = top
    for n in range(40):
        deep = deep / f"d{n}"
        write(deep / f"{n}.jpg", n)
        (deep / "up").symlink_to("..")
        (deep / "top").symlink_to(top)
    (top / "itself").symlink_to("itself")
    (top / "file.jpg").symlink_to(deep / "39.jpg")
    project.start()
    seconds = converge(project)
    (deep / "late").symlink_to(top)  # while it is watched, too
    write(deep / "late.jpg", 99)
    converge(project)
    found = compare(project)
    rows = len(in_store(project)[0])
    figure(
        "F17", "40 folders deep, each with links to its parent and to the root",
        duplicates=rows - 41, differences=found.count, scan_seconds=seconds,
    )  # fmt: skip
    assert rows == 41
    assert project.json("verify")["indexed"] == 41


def test_what_is_no_file_is_passed_over(project: Project, figure: Figure) -> None:
    top = project.dataset
    kinds = 2
    os.mkfifo(top / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(top, os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{here}/socket.jpg")  # a path of any length fits
        os.close(here)
        try:
            os.mknod(top / "zero.jpg", stat.S_IFCHR | 0o644, os.makedev(1, 5))
            kinds += 1
        except PermissionError:
            pass  # only root may
        for n in range(20):
            write(top / f"{n}.jpg", n)
        project.start()
        seconds = converge(project)
        began = time.monotonic()
        os.mkfifo(top / "late.jpg")  # events of one, too
        (top / "3.jpg").unlink()
        os.mkfifo(top / "3.jpg")  # and in the place of a picture
        write(top / "after.jpg", 30)
        converge(project)
        project.wait(lambda: len(in_store(project)[0]) == 20)
        late = time.monotonic() - began
        figure(
            "F24", f"{kinds + 2} pipes, sockets and devices named .jpg",
            indexed=len(in_store(project)[0]) - 20, first_scan_seconds=seconds,
            events_seconds=late, hangs=0,
        )  # fmt: skip
        assert project.status()["rejected"] == 0
