"""A full disk, in a user namespace of its own: a sentence, and nothing lost."""

import shutil
import subprocess
import sys

import pytest

from tests.faults.conftest import Figure
from tests.pictures import write
from tests.project import TOP, Project

PYTHON = f"{sys.executable} -m cli"
NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]


@pytest.fixture(autouse=True)
def _namespaces() -> None:
    if shutil.which("unshare") is None:
        pytest.skip("no unshare here")
    if subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("user namespaces are not permitted here")


def run(project: Project, script: str) -> str:
    project.command("status")  # writes config.yaml
    result = subprocess.run(
        [*NAMESPACE, "sh", "-c", script],
        cwd=TOP,
        env=project.environ | {"LOOKALIKE_CONFIG": str(project.folder / "config.yaml")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    output = result.stdout + result.stderr
    assert "Traceback" not in output, output
    return output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "code"),
    [
        pytest.param("index", 1, id="no-room-for-rows"),
        pytest.param("state", 0, id="no-room-for-notes-which-may-be-lost"),
    ],
)
def test_a_full_disk_is_a_sentence_and_nothing_is_lost(
    project: Project, figure: Figure, place: str, code: int
) -> None:
    for n in range(120):
        write(project.dataset / f"{n}.jpg", n)
    folder = project.folder / "var" / place
    folder.mkdir(parents=True)
    output = run(
        project,
        f"""
        mount -t tmpfs -o size=64k tmpfs {folder} || exit
        {PYTHON} sync; echo "full: $?"
        mount -o remount,size=64m {folder}
        {PYTHON} sync; echo "room: $?"
        {PYTHON} verify; echo "equal: $?"
        """,
    )
    assert f"full: {code}" in output, output
    assert "No space left" in output, output
    assert "room: 0" in output, output
    assert "equal: 0" in output, output
    figure("F27", f"disk of the {place} full, then room", differences=0)


def test_a_read_only_store_is_a_sentence(project: Project) -> None:
    write(project.dataset / "1.jpg", 1)
    project.cli("sync")
    write(project.dataset / "2.jpg", 2)
    index = project.folder / "var" / "index"
    output = run(
        project,
        f"""
        mount --bind {index} {index} && mount -o remount,ro,bind {index} || exit
        {PYTHON} sync; echo "read-only: $?"
        {PYTHON} search {project.dataset}/1.jpg --json; echo "search: $?"
        """,
    )
    assert "read-only: 1" in output, output
    assert "Read-only file system" in output, output
    assert "search: 0" in output, output
    assert '"path": "1.jpg", "distance": 0' in output, output
