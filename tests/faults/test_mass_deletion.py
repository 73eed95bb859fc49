"""F9: most of a dataset is deleted. It is held until somebody approves."""

import shutil

import pytest

from tests.faults.conftest import Figure
from tests.faults.oracle import converge, in_store
from tests.pictures import jpeg, write
from tests.project import Project


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("rows", [200, pytest.param(10_000, marks=pytest.mark.faults)])
def test_most_files_deleted(project: Project, figure: Figure, rows: int) -> None:
    tiny = jpeg(0, (24, 16))
    for n in range(rows):
        file = project.dataset / f"{n % 10}/{n}.jpg"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(tiny + n.to_bytes(4))
    project.launch()
    converge(project, seconds=300)
    project.wait(lambda: project.status()["state"] == "watching")
    query = write(project.folder / "query.jpg", 1)
    for n in range(6):
        shutil.rmtree(project.dataset / f"{n}")
    gone = rows * 6 // 10
    project.wait(lambda: project.status()["held_deletions"] > 0)
    project.cli("sync")  # one scan does not release them
    project.wait(
        lambda: project.status()["held_deletions"] == gone - (rows - len(in_store(project)[0]))
    )
    held, kept = project.status()["held_deletions"], len(in_store(project)[0])
    assert project.json("search", query)["matches"]
    project.cli("approve")
    seconds = converge(project)
    figure(
        "F9", f"rm -rf of 60 % of {rows:,} files",
        deleted_unasked=rows - kept, held=held, equal_seconds_after_approve=seconds, differences=0,
    )  # fmt: skip
    assert 0 < held <= gone
    assert rows - kept <= max(50, rows // 20)
    assert kept - held == rows - gone
