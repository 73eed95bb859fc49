"""F6, F7, F8: disks that go away, come back, and are others. Nothing is deleted."""

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults import deviant
from tests.faults.conftest import Figure
from tests.faults.namespace import Namespace
from tests.faults.oracle import Hashes, converge, in_store
from tests.pictures import jpeg, write
from tests.project import Project

ROWS = [200, pytest.param(10_000, marks=pytest.mark.faults)]
BUSY_SECONDS = 10
"""A look at the root is due three times a second, and other tests run beside these."""


class Disks:
    """The root is a disk: a folder of a tmpfs that is mounted there."""

    def __init__(self, project: Project, namespace: Namespace) -> None:
        self.project, self.namespace = project, namespace
        self.root = project.dataset
        self._home = project.folder / "disks"
        self._home.mkdir()
        namespace.run("mount", "-t", "tmpfs", "none", self._home)

    @property
    def seen(self) -> Path:
        """Where this process sees the root."""
        return self.namespace.inside(self.root)

    def make(self, name: str, count: int, *, seed: int = 0) -> None:
        """A disk, not mounted yet."""
        disk = self._home / name
        disk.mkdir(exist_ok=True)  # a place to mount; the disk itself is inside
        self.namespace.run("mkdir", "-p", disk)
        self.namespace.run("mount", "-t", "tmpfs", "none", disk)
        tiny = jpeg(seed, (24, 16))
        for n in range(count):
            file = self.namespace.inside(disk) / f"{n % 50}/{n}.jpg"
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(tiny + n.to_bytes(4))

    def copy(self, name: str, to: str) -> None:
        self.namespace.run("cp", "-a", f"{self._home / name}/.", self._home / to)

    def mount(self, name: str) -> None:
        self.namespace.run("mount", "--bind", self._home / name, self.root)

    def unmount(self, *options: str) -> None:
        self.namespace.run("umount", *options, self.root)


@pytest.fixture
def disks(project: Project) -> Iterator[Disks]:
    with Namespace() as namespace:
        yield Disks(project, namespace)
        if project.daemon:
            project.daemon.kill()
            project.daemon.wait()
            project.daemon = None


def start(disks: Disks, rows: int) -> Hashes:
    """A daemon over a mounted disk of so many pictures, all of them indexed."""
    project = disks.project
    disks.make("ours", rows)
    disks.mount("ours")
    disks.namespace.launch(project)
    converge(project, disks.seen, seconds=300)
    project.wait(lambda: project.status()["state"] == "watching")
    return in_store(project)[0]


def suspended(project: Project, act: Callable[[], object]) -> float:
    """Seconds from the end of `act` until the status says so."""
    act()
    began = time.monotonic()
    project.wait(lambda: project.status()["roots"]["dataset"]["state"] == "suspended")
    return time.monotonic() - began


def watched_again(project: Project) -> None:
    project.wait(lambda: project.status()["state"] == "watching", 120)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("rows", ROWS)
def test_a_disk_that_goes_away(disks: Disks, figure: Figure, rows: int) -> None:
    project = disks.project
    before = start(disks, rows)
    query = write(project.folder / "query.jpg", 1)
    disks.make("empty", 0)
    disks.make("restored", 0)

    def lazily() -> None:
        with (disks.seen / "0/0.jpg").open("rb"):
            disks.unmount("-l")

    cases: list[tuple[str, Callable[[], object], Callable[[], object]]] = [
        ("umount, mount", disks.unmount, lambda: disks.mount("ours")),
        ("umount -l of a busy disk, mount", lazily, lambda: disks.mount("ours")),
        ("an empty disk over it, and away", lambda: disks.mount("empty"), disks.unmount),
        ("umount, a restored copy mounted", disks.unmount, lambda: disks.mount("restored")),
    ]
    disks.copy("ours", "restored")
    for name, away, back in cases if rows > 1000 else cases[::2]:
        embedded = project.embedded()
        seconds = suspended(project, away)
        answers = len(project.json("search", query)["matches"])
        deletions = len(before.keys() - in_store(project)[0].keys())
        back()
        watched_again(project)
        converge(project, disks.seen)
        deletions += len(before.keys() - in_store(project)[0].keys())
        embeddings = project.embedded() - embedded
        figure(
            "F6", f"{name}; {rows:,} rows",
            deletions=deletions, suspended_after_seconds=seconds, embeddings=embeddings,
        )  # fmt: skip
        assert (deletions, embeddings) == (0, 0), name
        assert answers, name
        assert seconds < (1 if rows > 200 else BUSY_SECONDS), name


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_another_disk_in_its_place(disks: Disks, figure: Figure) -> None:
    project, rows = disks.project, 10_000
    before = start(disks, rows)
    disks.make("other", 30, seed=7)
    disks.unmount()
    disks.mount("other")
    project.wait(lambda: project.status()["roots"]["dataset"]["state"] == "suspended")
    project.wait(lambda: "lookalike adopt" in project.status()["roots"]["dataset"]["reason"])
    time.sleep(3)  # three more looks at it
    deletions = len(before.keys() - in_store(project)[0].keys())
    project.cli("adopt", "dataset")
    gone = rows - 30  # the others have names that are on both
    project.wait(lambda: project.status()["held_deletions"] == gone)
    held_back = len(in_store(project)[0])
    project.cli("approve")
    converge(project, disks.seen)
    figure(
        "F7", f"another disk mounted; {rows:,} rows",
        deletions_until_adopted=deletions, held_after=gone, differences_after_approve=0,
    )  # fmt: skip
    assert deletions == 0
    assert held_back == rows


def test_unmounted_while_the_loop_is_busy(disks: Disks, figure: Figure) -> None:
    """A write of rows, a compaction, whatever it is that does not return."""
    project, flag = disks.project, disks.project.folder / "flag"
    disks.make("ours", 200)
    disks.mount("ours")
    deviant.launch(project, disks.namespace.command, slow=str(flag))
    converge(project, disks.seen)
    project.wait(lambda: project.status()["state"] == "watching")
    before = in_store(project)[0]
    flag.touch()
    write(disks.seen / "new.jpg", 201)
    project.wait(lambda: flag.read_text() == "waiting")
    seconds = suspended(project, lambda: disks.unmount("-l"))
    disks.mount("ours")
    flag.unlink()
    watched_again(project)
    converge(project, disks.seen)
    deletions = len(before.keys() - in_store(project)[0].keys())
    embeddings = project.embedded() - 201
    figure(
        "F8", "umount -l while a write of rows does not return; 200 rows",
        deletions=deletions, suspended_after_seconds=seconds, embeddings=embeddings,
    )  # fmt: skip
    assert (deletions, embeddings) == (0, 0)
    assert seconds < BUSY_SECONDS


@pytest.mark.faults
@pytest.mark.timeout(3000)
@pytest.mark.parametrize(("rows", "instants"), [(400, 5), (10_000, 100)])
def test_unmounted_in_the_middle_of_work(
    disks: Disks, figure: Figure, rows: int, instants: int
) -> None:
    """New and deleted files are being dealt with when the disk goes."""
    project, dice = disks.project, random.Random(8)
    project.configure(watch={"settle_seconds": 0.2, "hold_deletions_above": 1})
    start(disks, rows)
    wrong, pictures, seconds = 0, rows, []
    for instant in range(instants):
        files = sorted(disks.seen.rglob("*.jpg"))
        for file in dice.sample(files, len(files) // 20):
            file.unlink()
            file.with_name(f"{instant}-{file.name}").write_bytes(
                jpeg(dice.randrange(50), (24, 16)) + dice.randbytes(8)
            )
            pictures += 1
        there = {bytes(file.relative_to(disks.seen)) for file in disks.seen.rglob("*.jpg")}
        indexed = in_store(project)[0].keys() & there
        time.sleep(dice.uniform(0, 1.5))
        seconds.append(suspended(project, lambda: disks.unmount("-l")))
        wrong += len(indexed - in_store(project)[0].keys())
        disks.mount("ours")
        watched_again(project)
    converge(project, disks.seen, seconds=120)
    again = max(0, project.embedded() - pictures)
    figure(
        "F8", f"umount -l at {instants} instants of writing and deleting; {rows:,} rows",
        deletions=wrong, median_seconds_to_suspended=sorted(seconds)[instants // 2],
        worst_seconds=max(seconds), embedded_again=again, differences=0,
    )  # fmt: skip
    assert (wrong, again) == (0, 0)
    assert max(seconds) < 1
