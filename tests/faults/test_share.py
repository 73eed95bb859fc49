"""F6, F16, F23: a file server that fails, is another, tells of no change, or folds names."""

import errno
import os
import signal
import subprocess
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import Figure
from tests.faults.namespace import Namespace
from tests.faults.oracle import compare, converge, in_store
from tests.pictures import jpeg
from tests.project import Project

SERVER = Path(__file__).with_name("share.py")
ROWS = [200, pytest.param(10_000, marks=pytest.mark.faults)]
BUSY_SECONDS = 10
"""A look at the root is due three times a second, and other tests run beside these."""
SCAN_SECONDS = 3


class Server:
    """Serves folders as the root of the project, one at a time."""

    def __init__(self, project: Project, namespace: Namespace) -> None:
        self.project, self.namespace = project, namespace
        self._control = project.folder / "faults"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def seen(self) -> Path:
        """Where this process sees the root."""
        return self.namespace.inside(self.project.dataset)

    def fill(self, folder: str, count: int, *, seed: int = 0) -> Path:
        top = self.project.folder / folder
        tiny = jpeg(seed, (24, 16))
        for n in range(count):
            file = top / f"Folder {n % 20}/Picture {n}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(tiny + n.to_bytes(4))
        return top

    def serve(self, folder: Path, *options: str) -> None:
        self._process = subprocess.Popen(
            self.namespace.command(
                sys.executable, SERVER, folder, self.project.dataset, self._control, *options
            ),
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            pytest.skip("this kernel, or the owner of /dev/fuse, permits no mounts through FUSE")

    def fail(self, number: int, share: float = 1) -> None:
        """So many of the requests, from now on."""
        self._control.with_suffix(".new").write_text(f"{number} {share}")
        self._control.with_suffix(".new").replace(self._control)

    def heal(self) -> None:
        self._control.unlink(missing_ok=True)

    def die(self) -> None:
        """What lies below the mount is ENOTCONN from now on."""
        process, self._process = self._process, None
        if process:
            process.kill()
            process.communicate()

    def unmount(self) -> None:
        self.namespace.run("umount", "-l", self.project.dataset)


@pytest.fixture
def server(project: Project) -> Iterator[Server]:
    project.configure(watch={"settle_seconds": 0.2, "rescan_minutes": SCAN_SECONDS / 60})
    with Namespace() as namespace:
        server = Server(project, namespace)
        yield server
        server.heal()
        if project.daemon:
            project.stop(signal.SIGKILL)
        server.die()


def start(server: Server, rows: int) -> Path:
    folder = server.fill("server", rows)
    server.serve(folder)
    server.namespace.launch(server.project)
    converge(server.project, server.seen, seconds=300)
    server.project.wait(lambda: server.project.status()["state"] == "watching")
    return folder


def state(project: Project) -> str:
    return str(project.status()["roots"]["dataset"]["state"])


@pytest.mark.faults
def test_changes_that_no_event_tells_of_are_found_and_it_says_so(
    server: Server, figure: Figure
) -> None:
    folder = start(server, 100)
    told = [text for text in server.project.status()["problems"] if "fuse.share" in text]
    assert "compared every" in told[0]
    for n in range(0, 40, 2):
        (folder / f"Folder {n % 20}/Picture {n}.jpg").rename(folder / f"Folder 1/moved {n}.jpg")
        (folder / f"Folder 3/new {n}.jpg").write_bytes(jpeg(n, (24, 16)))
    seconds = converge(server.project, server.seen)
    figure(
        "share", f"changes on the server, without events; a scan every {SCAN_SECONDS} s",
        said="yes", differences=0, equal_after_seconds=seconds,
    )  # fmt: skip
    assert seconds <= 3 * SCAN_SECONDS


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("rows", ROWS)
def test_a_server_that_fails(server: Server, figure: Figure, rows: int) -> None:
    folder, project = start(server, rows), server.project
    before = in_store(project)[0].keys()

    def back() -> None:
        server.unmount()
        server.serve(folder)

    cases: list[tuple[str, Callable[[], object], Callable[[], object]]] = [
        ("every request EIO", lambda: server.fail(errno.EIO), server.heal),
        ("every request ESTALE", lambda: server.fail(errno.ESTALE), server.heal),
        ("every request EACCES", lambda: server.fail(errno.EACCES), server.heal),
        ("server killed (ENOTCONN), mounted again", server.die, back),
    ]
    for name, away, heal in cases:
        embedded, began = project.embedded(), time.monotonic()
        away()
        project.wait(lambda: state(project) == "suspended")
        seconds = time.monotonic() - began
        deletions = len(before - in_store(project)[0].keys())
        heal()
        project.wait(lambda: state(project) == "watching", 120)
        converge(project, server.seen)
        deletions += len(before - in_store(project)[0].keys())
        embeddings = project.embedded() - embedded
        figure(
            "F6", f"file server: {name}; {rows:,} rows",
            deletions=deletions, suspended_after_seconds=seconds, embeddings=embeddings,
        )  # fmt: skip
        assert (deletions, embeddings) == (0, 0), name
        assert seconds < (1 if rows > 200 else BUSY_SECONDS), name


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_another_share_at_the_same_mount_point(server: Server, figure: Figure) -> None:
    """FUSE has no file system ids, and every top has inode 1: only the files tell them apart."""
    project = server.project
    folder = start(server, 10_000)
    before, embedded = in_store(project)[0], project.embedded()
    other = server.fill("other", 30, seed=7)
    server.die()
    server.unmount()
    server.serve(other)
    project.wait(lambda: state(project) == "suspended")
    project.wait(lambda: "lookalike adopt" in project.status()["roots"]["dataset"]["reason"])
    time.sleep(2 * SCAN_SECONDS)  # scans and looks at it
    deletions = len(before.items() - in_store(project)[0].items())
    server.die()
    server.unmount()
    server.serve(folder)
    project.wait(lambda: state(project) == "watching", 60)
    converge(project, server.seen)
    embeddings = project.embedded() - embedded
    figure(
        "F7", "another share of equal identity, and back; 10,000 rows",
        deletions=deletions, embeddings=embeddings,
    )  # fmt: skip
    assert (deletions, embeddings) == (0, 0)


@pytest.mark.faults
@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES, errno.ENOTCONN])
def test_one_request_in_a_hundred_fails(server: Server, figure: Figure, number: int) -> None:
    folder, project = start(server, 300), server.project
    there = in_store(project)[0].keys()
    seconds = 150  # ten minutes for all four of them
    server.fail(number, 0.01)
    deletions, rounds, end = 0, 0, time.monotonic() + seconds
    while time.monotonic() < end:
        (folder / f"Folder 1/new {rounds}.jpg").write_bytes(jpeg(rounds % 50, (24, 16)))
        time.sleep(0.2)
        deletions += len(there - in_store(project)[0].keys())
        rounds += 1
    server.heal()
    took = converge(project, server.seen, seconds=150)  # what failed is tried again in a minute
    name = errno.errorcode[number]
    figure(
        "F16", f"{name} in 1 % of a share's requests for {seconds} s",
        deletions=deletions, differences=0, equal_after_seconds=took,
    )  # fmt: skip
    assert deletions == 0


@pytest.mark.slow
def test_names_in_any_case_and_normalisation(server: Server, figure: Figure) -> None:
    project, folder = server.project, server.fill("server", 60)
    folder.joinpath("Ärger").mkdir()
    accents = [folder / "Ärger" / f"Café {n}.jpg" for n in range(10)]
    for n, file in enumerate(accents):
        file.write_bytes(jpeg(100 + n))
    server.serve(folder, "fold")
    server.namespace.launch(project)
    converge(project, server.seen)
    embedded = project.embedded()
    for n in range(20):
        file = folder / f"Folder {n}/Picture {n}.jpg"
        file.rename(file.with_name(f"PICTURE {n}.JPG"))
    (folder / "Folder 7").rename(folder / "FOLDER 7")
    accents[0].rename(accents[0].with_name(unicodedata.normalize("NFD", "CAFÉ 0.jpg")))
    (folder / "Ärger").rename(folder / "äRGER")
    seconds = converge(project, server.seen)
    project.cli("verify", code=None)
    found = compare(project, server.seen)
    names = [os.fsdecode(path) for path in in_store(project)[0]]
    figure(
        "F23", "names in any case, listed decomposed (a share that folds them)",
        differences=found.count, embeddings=project.embedded() - embedded,
        equal_after_seconds=seconds,
    )  # fmt: skip
    assert found.count == 0
    assert any(name.startswith(unicodedata.normalize("NFD", "äRGER/CAFÉ")) for name in names)
    assert project.embedded() == embedded
