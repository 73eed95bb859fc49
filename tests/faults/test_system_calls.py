"""F16: one in a hundred of the daemon's system calls fails, whatever it was for."""

import errno
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults.conftest import Figure
from tests.faults.oracle import converge, in_store
from tests.pictures import jpeg
from tests.project import Project

CALLS = "newfstatat,openat,openat2,getdents64"
"""What looks at files and folders; of the dataset, the index and the daemon's own notes alike."""
SECONDS = 200  # ten minutes for all three errors


@contextmanager
def failing(project: Project, number: int, every: int) -> Iterator[None]:
    """Every so manieth of the calls of each thread, between `with` and its end."""
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    assert project.daemon
    inject = f"inject={CALLS}:error={errno.errorcode[number]}:when={every}+{every}"
    log = project.folder / "strace.log"
    tracer = subprocess.Popen(
        ["strace", "-f", "-p", str(project.daemon.pid), "-e", f"trace={CALLS}", "-e", inject,
         "-o", str(log)],
        stderr=subprocess.PIPE,
    )  # fmt: skip
    assert tracer.stderr
    if b"attached" not in tracer.stderr.readline():
        pytest.skip("this kernel lets nobody trace")
    try:
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.communicate()


def injected(project: Project) -> int:
    """How many calls have failed."""
    return (project.folder / "strace.log").read_text(errors="replace").count("(INJECTED)")


@pytest.mark.parametrize(
    ("number", "every", "seconds"),
    [
        pytest.param(errno.EIO, 20, 8, id="a-few-seconds"),
        *(
            pytest.param(each, 100, SECONDS, id=errno.errorcode[each])
            for each in (errno.EIO, errno.EACCES, errno.ESTALE)
        ),
    ],
)
@pytest.mark.faults
@pytest.mark.timeout(600)
def test_system_calls_fail(
    project: Project, figure: Figure, number: int, every: int, seconds: int
) -> None:
    project.configure(watch={"settle_seconds": 0.2, "rescan_minutes": 2 / 60})
    tiny = jpeg(0, (24, 16))
    for n in range(200):
        file = project.dataset / f"{n % 4}/{n}.jpg"  # of 50, two are asked for in vain
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(tiny + n.to_bytes(4))
    project.start()
    converge(project)
    there = in_store(project)[0].keys()
    deletions, rounds, end = 0, 0, time.monotonic() + seconds
    with failing(project, number, every):
        while time.monotonic() < end:
            (project.dataset / f"1/new {rounds % 50}.jpg").write_bytes(
                jpeg(rounds % 50, (24, 16)) + rounds.to_bytes(4)
            )
            time.sleep(0.2)
            deletions += len(there - in_store(project)[0].keys())
            rounds += 1
    failed = injected(project)
    took = converge(project, seconds=150)  # what failed is tried again in a minute
    project.wait(lambda: not project.status()["problems"], 90)
    figure(
        "F16", f"{errno.errorcode[number]} in one of {every} system calls for {seconds} s",
        calls_failed=failed, deletions=deletions, differences=0, equal_after_seconds=took,
    )  # fmt: skip
    assert failed
    assert deletions == 0
