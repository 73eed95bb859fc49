"""A machine goes on where another one was: backup, restore, and a daemon that embeds nothing."""

import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import Weaviate
from tests.pictures import write
from tests.project import Project

COUNT = 20


def fill(project: Project) -> None:
    for n in range(COUNT):
        write(project.dataset / f"{n % 3}/{n}.jpg", n)
    project.cli("sync")


def moved(project: Project, folder: Path, *, keep_times: bool) -> Project:
    """Another machine with the same pictures: other inodes, other ctimes."""
    new = Project(folder)
    copy = shutil.copy2 if keep_times else shutil.copy
    shutil.copytree(project.dataset, new.dataset, dirs_exist_ok=True, copy_function=copy)
    return new


@pytest.mark.slow
@pytest.mark.parametrize("store", ["lance", pytest.param("weaviate", marks=pytest.mark.weaviate)])
def test_a_new_machine_embeds_nothing(
    project: Project, tmp_path: Path, request: pytest.FixtureRequest, store: str
) -> None:
    fill(project)
    file = project.folder / "index.lookalike"
    assert project.json("backup", file)["rows"] == COUNT
    new = moved(project, tmp_path / "new", keep_times=store == "lance")
    if store == "weaviate":
        server: Weaviate = request.getfixturevalue("weaviate_server")
        new.configure(store=server.url(request.getfixturevalue("weaviate_name")))
        new.environ["WEAVIATE_API_KEY"] = str(server.key)
    restored = new.json("restore", file)
    assert (restored["rows"], restored["thumbnails"], restored["replaced"]) == (COUNT, COUNT, 0)
    if store == "lance":
        assert new.json("verify")["indexed"] == COUNT

    new.start()
    new.wait(lambda: new.status()["last_scan"])
    status = new.status()
    assert (status["indexed"], status["embedded_total"]) == (COUNT, COUNT)
    refusal = new.cli("restore", file, "--replace", code=1).stderr
    assert "A daemon" in refusal or "Another daemon" in refusal
    assert new.stop() == 0
    new.cli("verify")

    back = tmp_path / "back.lookalike"
    assert new.json("backup", back)["rows"] == COUNT
    assert project.json("restore", back, "--replace")["replaced"] == COUNT
    assert project.json("sync")["embedded"] == 0
    project.cli("verify")


def test_a_backup_needs_no_daemon_to_stop_and_changes_nothing(project: Project) -> None:
    fill(project)
    index = project.folder / "var/index"
    before = {each: each.stat().st_mtime_ns for each in index.rglob("*")}
    file = project.folder / "index.lookalike"
    assert project.json("backup", file)["rows"] == COUNT
    assert {each: each.stat().st_mtime_ns for each in index.rglob("*")} == before
    project.start()
    assert project.json("backup", file)["rows"] == COUNT
    assert file.stat().st_mode & 0o777 == 0o600
    assert project.stop() == 0


def test_a_backup_is_never_written_below_a_root_nor_over_a_picture(project: Project) -> None:
    fill(project)
    project.cli("backup", project.dataset / "index.lookalike", code=2)
    picture = write(project.folder / "picture.jpg", 1)
    before = picture.read_bytes()
    assert "is no backup" in project.cli("backup", picture, code=1).stderr
    assert picture.read_bytes() == before
    assert "cannot be written" in project.cli("backup", "/nowhere/x", code=1).stderr


@pytest.mark.slow
def test_a_restore_that_is_killed_again_and_again_leaves_the_old_index(project: Project) -> None:
    fill(project)
    file = project.folder / "index.lookalike"
    project.cli("backup", file)
    write(project.dataset / "later.jpg", 900)
    project.cli("sync")
    query = project.dataset / "later.jpg"
    for pause in (0.9, 1.3, 1.7):
        command = project.command("restore", file, "--replace")
        process = subprocess.Popen(command, cwd=Path(__file__).parents[2], env=project.environ)
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.wait()
        found = project.json("search", query, "-k", "1")["matches"]
        assert found, "an index answers whatever was killed"
        if process.returncode == 0:
            break
    project.cli("restore", file, "--replace")
    models = project.json("models")["indexes"]
    assert [(each["rows"], each["role"]) for each in models] == [(COUNT, "serving")]
    assert project.json("sync")["embedded"] == 1, "the one that is not in the backup"
    project.cli("verify")
