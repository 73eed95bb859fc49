"""The oracle and the table of the fault suite themselves."""

from pathlib import Path

import pytest

from tests.faults.oracle import compare
from tests.faults.table import Row, markdown, text_of, write_into
from tests.pictures import write
from tests.project import Project


def test_the_oracle_sees_every_kind_of_difference(project: Project) -> None:
    for n in range(4):
        write(project.dataset / f"{n}.jpg", n)
    project.cli("sync")
    assert compare(project).count == 0
    write(project.dataset / "new.jpg", 9)
    (project.dataset / "0.jpg").unlink()
    write(project.dataset / "1.jpg", 11)
    found = compare(project, bad=[b"2.jpg"])
    assert found == ({b"new.jpg"}, {b"0.jpg", b"2.jpg"}, {b"1.jpg"}, 0)


def test_a_run_of_a_part_keeps_the_other_rows_of_the_document(tmp_path: Path) -> None:
    file = tmp_path / "document.md"
    write_into(file, [Row("F10", "b", "x 1", "1 s"), Row("F2", "a", "y 2", "2 s")])
    file.write_text(f"Before.\n{file.read_text()}After.\n")
    write_into(file, [Row("F2", "a", "y 3", "3 s")])
    text = file.read_text()
    assert text.startswith("Before.\n") and text.endswith("After.\n")
    assert "y 2" not in text
    assert text.index("| F2 | a | y 3 | 3 s |") < text.index("| F10 |")


@pytest.mark.parametrize(
    ("figures", "text"),
    [
        pytest.param({"deletions": 0}, "deletions 0", id="count"),
        pytest.param({"to_suspended_s": 0.414}, "to suspended s 0.41", id="seconds"),
        pytest.param({"rows": 10000, "held": "all"}, "rows 10,000, held all", id="several"),
    ],
)
def test_figures_read_well(figures: dict[str, object], text: str) -> None:
    assert text_of(figures) == text
    assert text in markdown([Row("F1", "x", text_of(figures), "1 s")])
