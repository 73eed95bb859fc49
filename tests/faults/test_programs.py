"""F15, F21: rsync, cp, mv, editors and downloads; and changes that leave size or times equal."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import Figure
from tests.faults.oracle import compare, converge, on_disk
from tests.faults.witness import Witness
from tests.pictures import jpeg, write
from tests.project import Project

COUNT = 30
Program = Callable[[Path, Path], None]


def shell(*command: str | Path) -> None:
    subprocess.run([str(word) for word in command], check=True, capture_output=True)


def rsync(*options: str) -> Program:
    return lambda source, target: shell("rsync", *options, f"{source}/", f"{target}/")


def as_rsync_does(source: Path, target: Path) -> None:
    """Where there is no rsync: a hidden temporary name beside the file, times, rename."""
    for file in sorted(source.iterdir()):
        temporary = target / f".{file.name}.Ab3xYz"
        shutil.copy2(file, temporary)
        temporary.rename(target / file.name)


def through_a_hidden_folder(source: Path, target: Path) -> None:
    """As with rsync's --temp-dir or --delay-updates: all of them under the names that they will
    have, then all of them out."""
    hidden = target / ".incoming"
    hidden.mkdir()
    for file in sorted(source.iterdir()):
        shutil.copy2(file, hidden / file.name)
    time.sleep(0.5)  # they are quiet by then
    for file in sorted(hidden.iterdir()):
        file.rename(target / file.name)
    hidden.rmdir()


def gedit(source: Path, target: Path) -> None:
    for file in sorted(source.iterdir()):
        temporary = target / f".goutputstream-{file.stem}"
        temporary.write_bytes(file.read_bytes())
        temporary.rename(target / file.name)


def vim(source: Path, target: Path) -> None:
    """The old file becomes a backup, the new one is written in its place, the backup goes."""
    for file in sorted(source.iterdir()):
        place, backup = target / file.name, target / f"{file.name}~"
        if place.exists():
            place.rename(backup)
        place.write_bytes(file.read_bytes())
        backup.unlink(missing_ok=True)


def delete_and_write(source: Path, target: Path) -> None:
    for file in sorted(source.iterdir()):
        (target / file.name).unlink(missing_ok=True)
        (target / file.name).write_bytes(file.read_bytes())


def download(source: Path, target: Path) -> None:
    for n, file in enumerate(sorted(source.iterdir())):
        temporary = target / f"{file.name}{('.part', '.crdownload', '.download')[n % 3]}"
        temporary.write_bytes(file.read_bytes())
        temporary.rename(target / file.name)


def move_across(source: Path, target: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        for file in source.iterdir():
            shutil.copy2(file, elsewhere)
        shell("sh", "-c", f"mv {elsewhere}/* {target}/")


PROGRAMS: dict[str, Program] = {
    "as rsync -a writes": as_rsync_does,
    "through a hidden folder": through_a_hidden_folder,
    "rsync -a": rsync("-a"),
    "rsync -a --inplace": rsync("-a", "--inplace"),
    "rsync -a --delay-updates": rsync("-a", "--delay-updates"),
    "rsync -a --partial-dir": rsync("-a", "--partial-dir=.partial"),
    "cp -p": lambda source, target: shell("cp", "-rp", f"{source}/.", target),
    "cp --reflink=auto": lambda s, t: shell("cp", "-r", "--reflink=auto", f"{s}/.", t),
    "an editor that renames (gedit)": gedit,
    "an editor with a backup (vim)": vim,
    "an editor that deletes first": delete_and_write,
    "a browser's download": download,
    "mv from another file system": move_across,
}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """One daemon for all programs, each with a folder of its own."""
    project = Project(tmp_path_factory.mktemp("programs"))
    project.configure(watch={"settle_seconds": 0.4, "hold_deletions_above": 1})
    project.start()
    yield project
    project.stop()


QUICK = ("as rsync -a writes", "through a hidden folder", "an editor with a backup (vim)")


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.faults) for n in PROGRAMS]
)
def test_a_program_writes_and_rewrites(
    watched: Project, figure: Figure, tmp_path: Path, name: str
) -> None:
    if name.startswith("rsync") and not shutil.which("rsync"):
        pytest.skip("no rsync here")
    if name.startswith("mv") and not os.access("/dev/shm", os.W_OK):
        pytest.skip("no other file system here")
    number = list(PROGRAMS).index(name)
    target = watched.dataset / str(number)
    target.mkdir()
    before = watched.embedded()
    with Witness(watched) as witness:
        for version in (0, 1):
            for n in range(COUNT):
                write(tmp_path / "source" / f"{n}.jpg", 10_000 * number + 1000 * version + n)
            PROGRAMS[name](tmp_path / "source", target)
            seconds = converge(watched)
    temporary = {path for path in witness.names if path.startswith(b"%d/" % number)} - on_disk(
        watched.dataset
    ).keys()
    each = (watched.embedded() - before) / (2 * COUNT)
    figure(
        "F15", name,
        temporary_names_indexed=len(temporary), embeddings_per_file=each, seconds=seconds,
    )  # fmt: skip
    assert not temporary
    assert each == 1


# ---- F21 ----------------------------------------------------------------------------------------


@pytest.mark.faults
def test_changes_that_hide(project: Project, figure: Figure) -> None:
    """Equal size, equal times, or times that run backwards."""
    project.start()
    tree = project.dataset
    (pictures := [jpeg(n, (24, 16)) for n in range(40)]).sort(key=len)
    size = max(map(len, pictures)) + 1
    pictures = [data.ljust(size, b"\0") for data in pictures]
    for n in range(40):
        (tree / f"{n}.jpg").write_bytes(pictures[n])
    converge(project)
    for n in range(20):  # the same size, twice within a tick, the second after the read began
        (tree / f"{n}.jpg").write_bytes(pictures[(n + 1) % 40])
        time.sleep(0.003 * n)
        (tree / f"{n}.jpg").write_bytes(pictures[(n + 2) % 40])
    for n in range(20, 30):  # a forged time
        file = tree / f"{n}.jpg"
        times = file.stat().st_atime_ns, file.stat().st_mtime_ns
        file.write_bytes(pictures[(n + 5) % 40])
        os.utime(file, ns=times)
    old = project.folder / "old.jpg"
    for n in range(30, 40):  # an older file over it
        old.write_bytes(pictures[(n + 7) % 40])
        os.utime(old, (10**9 + n, 10**9 + n))
        shell("cp", "-p", old, tree / f"{n}.jpg")
    seconds = converge(project, seconds=15)
    time.sleep(2.5)  # a second look at what was read too early
    found = compare(project)
    figure("F21", "40 changes of equal size or time", stale=len(found.stale), seconds=seconds)
    assert found.count == 0
