"""Disks mounted below a root: each is known like the root, and the rest goes on without it."""

import signal
from collections.abc import Iterator

import pytest

from tests.faults.conftest import Figure
from tests.faults.namespace import Namespace
from tests.faults.oracle import converge, in_store
from tests.pictures import jpeg, write
from tests.project import Project

ROWS = 40  # few enough that the gate of Holds would let all of them go


@pytest.fixture
def namespace(project: Project) -> Iterator[Namespace]:
    project.configure(watch={"settle_seconds": 0.2, "rescan_minutes": 1 / 60})
    with Namespace() as namespace:
        yield namespace
        if project.daemon:
            project.stop(signal.SIGKILL)


@pytest.mark.slow
def test_a_disk_below_a_root_that_is_not_mounted_keeps_its_rows(
    project: Project, namespace: Namespace, figure: Figure
) -> None:
    nested, disks = project.dataset / "nested", project.folder / "disks"
    for folder in (nested, disks):
        folder.mkdir()
    namespace.run("mount", "-t", "tmpfs", "none", disks)
    seen = namespace.inside(project.dataset)
    for name, seed in (("ours", 0), ("other", 1000)):
        namespace.run("mkdir", disks / name)
        namespace.run("mount", "-t", "tmpfs", "none", disks / name)
        for n in range(seed, seed + ROWS):
            (namespace.inside(disks / name) / f"{n}.jpg").write_bytes(jpeg(n, (24, 16)))
    for n in range(200):
        (project.dataset / f"{n}.jpg").write_bytes(jpeg(n + 100, (24, 16)))
    namespace.run("mount", "--bind", disks / "ours", nested)
    namespace.launch(project)
    converge(project, seen)
    before, embedded = in_store(project)[0], project.embedded()

    def kept(reason: str) -> None:
        project.wait(lambda: reason in str(project.status().get("problems")))
        scan = project.status()["last_scan"]
        project.wait(lambda: project.status()["last_scan"] not in (None, scan))
        assert in_store(project)[0] == before
        assert project.status()["roots"]["dataset"]["state"] == "watching"

    namespace.run("umount", nested)
    kept("its disk is not mounted")
    namespace.run("mount", "--bind", disks / "other", nested)
    kept("another disk is mounted there")
    namespace.run("umount", nested)
    project.stop(signal.SIGKILL)
    namespace.launch(project)  # it is remembered
    kept("its disk is not mounted")
    namespace.run("mount", "--bind", disks / "ours", nested)
    write(seen / "nested/late.jpg", 5000)
    project.wait(lambda: project.status().get("problems") == [])
    converge(project, seen)
    figure(
        "F6", f"a disk below a root: umount, another disk, restart, mount; {ROWS} of 240 rows",
        deletions=len(before.keys() - in_store(project)[0].keys()),
        embeddings=project.embedded() - embedded - 1,
    )  # fmt: skip
    assert project.embedded() == embedded + 1, "the late one"

    namespace.run("umount", nested)
    kept_rows = len(in_store(project)[0])
    project.wait(lambda: "lookalike adopt" in str(project.status().get("problems")))
    assert len(in_store(project)[0]) == kept_rows
    assert project.cli("adopt", "dataset", code=None).returncode == 0
    converge(project, seen)
