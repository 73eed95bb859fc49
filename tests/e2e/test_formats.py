"""An index and a backup of every earlier format are opened, searched and written; a later one is
refused."""

import shutil
from pathlib import Path

import pytest

from core.stores import FORMAT, Catalogue
from core.stores.lance import LanceDatabase
from tests.pictures import jpeg, write
from tests.project import Project

FIXTURES = Path(__file__).parent.parent / "formats"
PICTURES = 6


def of_format(project: Project, number: int) -> None:
    """The project has these pictures and their index."""
    shutil.copytree(FIXTURES / f"index-{number}/dataset", project.dataset, dirs_exist_ok=True)
    shutil.copytree(FIXTURES / f"index-{number}/index", project.folder / "var/index")


def nearest(project: Project, seed: int) -> list[tuple[str, float]]:
    query = project.folder / "query.jpg"
    query.write_bytes(jpeg(seed))
    found = project.json("search", query, "-k", "3")["matches"]
    return [(match["path"], match["distance"]) for match in found]


@pytest.mark.parametrize("number", range(1, FORMAT + 1))
def test_an_index_of_each_format_is_searched_and_written(project: Project, number: int) -> None:
    of_format(project, number)
    database = LanceDatabase(project.folder / "var/index", writable=False)
    catalogue = database.catalogue()
    assert catalogue is not None
    assert catalogue.format == number
    assert nearest(project, 3)[0] == ("1/3.jpg", 0)

    assert project.json("sync")["embedded"] == 0, "a copy's stamps differ, its bytes do not"
    write(project.dataset / "new.jpg", 50)
    (project.dataset / "0/0.jpg").unlink()
    assert project.json("sync")["embedded"] == 1

    project.cli("verify")
    assert nearest(project, 50)[0] == ("new.jpg", 0)
    before = nearest(project, 4)
    file = project.folder / "x.lookalike"
    assert project.json("backup", file)["rows"] == PICTURES
    assert project.json("restore", file, "--replace")["replaced"] == PICTURES
    assert nearest(project, 4) == before
    now = database.catalogue()
    assert now is not None
    assert (now.format, now.created) == (FORMAT, catalogue.created)
    project.cli("verify")


def test_an_index_of_a_later_format_is_refused_by_all(project: Project) -> None:
    of_format(project, FORMAT)
    folder = project.folder / "var/index"
    database = LanceDatabase(folder, writable=True)
    database.write_catalogue(Catalogue("id", "colour-layout/1/stretch-64", format=FORMAT + 1))
    database.close()
    before = {file: file.read_bytes() for file in folder.rglob("*.lance") if file.is_file()}
    query = write(project.folder / "q.jpg", 1)
    for command in (
        ["sync"], ["search", query], ["verify"], ["models"], ["forget", "dataset"],
        ["backup", project.folder / "x"], ["restore", FIXTURES / "backup-1.lookalike", "--replace"],
    ):  # fmt: skip
        result = project.cli(*command, code=1)
        assert f"has format {FORMAT + 1}, this version reads up to {FORMAT}" in result.stderr
        assert "update Lookalike" in result.stderr
    assert {f: f.read_bytes() for f in folder.rglob("*.lance") if f.is_file()} == before
    assert not (project.folder / "x").exists()


def test_a_backup_of_each_format_is_restored(project: Project) -> None:
    for file in sorted(FIXTURES.glob("backup-*.lookalike")):
        shutil.copytree(FIXTURES / "index-1/dataset", project.dataset, dirs_exist_ok=True)
        assert project.json("restore", file, "--replace")["rows"] == PICTURES
        assert nearest(project, 3)[0] == ("1/3.jpg", 0)
        assert project.json("sync")["embedded"] == 0
        assert project.status()["embedded_total"] == PICTURES, "it goes on where it was"
