"""F22, F30, F32: bad files among good ones, latency, and a stop in the middle of work."""

import os
import random
import shutil
import statistics
import threading
import time
from contextlib import closing

import pytest

from core.bootstrap import open_database
from core.config import load_config
from core.records import Place
from tests.faults.conftest import Figure
from tests.faults.oracle import compare, converge
from tests.pictures import jpeg, write, write_slow
from tests.project import TOP, Project

HARD = TOP.parent / "shared/data/hard-images"


# ---- F22 ----------------------------------------------------------------------------------------


def breakages(seed: int) -> bytes:
    """A file that is no picture, in one of many ways."""
    dice, whole = random.Random(seed), jpeg(seed)
    match seed % 7:
        case 0:
            return whole[: len(whole) // 2]
        case 1:
            return b""
        case 2:
            return bytes(2000)
        case 3:
            return dice.randbytes(3000)
        case 4:
            return b"\xff\xd8\xff" + dice.randbytes(500)
        case 5:  # a PNG that claims 100,000 x 100,000 pixels
            return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\1\x86\xa0\0\1\x86\xa0\x08\2\0\0\0" + bytes(9)
    return b"GIF89a" + dice.randbytes(40)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("good", "bad"), [(40, 14), pytest.param(10_000, 500, marks=pytest.mark.faults)]
)
def test_bad_files_among_good_ones(project: Project, figure: Figure, good: int, bad: int) -> None:
    tiny = jpeg(0, (24, 16))
    for n in range(good):
        file = project.dataset / f"{n % 50}/{n}.jpg"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(tiny + n.to_bytes(4))
    names = {f"{n % 50}/bad-{n}.jpg" for n in range(bad)}
    for n, name in enumerate(sorted(names)):
        (project.dataset / name).parent.mkdir(exist_ok=True)
        (project.dataset / name).write_bytes(breakages(n))
    started = time.monotonic()
    project.launch()
    seconds = converge(project, bad={os.fsencode(name) for name in names}, seconds=400)
    project.wait(lambda: project.status()["rejected"] == bad)
    verified = project.json("verify")
    rejected = {entry["path"] for entry in verified["rejected"]}
    listed = project.json("status")["rejected_files"]
    repaired = project.dataset / min(names)
    broken_at = time.monotonic()
    repaired.write_bytes(jpeg(12345))
    project.wait(lambda: project.status()["rejected"] == bad - 1)
    converge(project, bad={os.fsencode(name) for name in names - {min(names)}})
    repair = time.monotonic() - broken_at
    figure(
        "F22", f"{bad} bad files among {good:,} good ones",
        good_indexed_percent=100 * verified["indexed"] / good,
        wrongly_rejected=len(rejected - names), wrongly_accepted=len(names - rejected),
        repaired_after_seconds=repair, first_scan_seconds=seconds,
    )  # fmt: skip
    assert rejected == names == {entry["path"] for entry in listed}
    assert all(entry["reason"] for entry in listed)
    assert repair < 10
    assert time.monotonic() > started


@pytest.mark.faults
def test_hard_pictures_harm_no_other(project: Project, figure: Figure) -> None:
    if not HARD.is_dir():
        pytest.skip("needs shared/data/hard-images")
    shutil.copytree(HARD, project.dataset / "hard")
    for n in range(50):
        write(project.dataset / f"good/{n}.jpg", n)
    project.launch()
    project.wait(lambda: project.status().get("state") == "watching", 50)
    project.wait(lambda: project.cli("verify", code=None).returncode == 0)
    verified = project.json("verify")
    rejected = [entry["path"] for entry in verified["rejected"]]
    figure(
        "F22", "the pictures of shared/data/hard-images beside 50 good ones",
        files=verified["on_disk"], indexed=verified["indexed"], rejected=len(rejected),
    )  # fmt: skip
    assert not [path for path in rejected if path.startswith("good/")]
    assert verified["indexed"] + len(rejected) == verified["on_disk"]


# ---- F30 ----------------------------------------------------------------------------------------


def latencies(project: Project, count: int, *, pause_seconds: float) -> list[float]:
    """Seconds from the close of a file to the moment when another process finds its row."""
    project.command("status")
    found = []
    with closing(
        open_database(load_config(project.folder / "config.yaml", {}), writable=False)
    ) as database:
        catalogue = database.catalogue()
        assert catalogue
        store = database.vectors(catalogue.serving)
        for n in range(count):
            data = jpeg(50_000 + n)
            (project.dataset / f"late-{n}.jpg").write_bytes(data)
            closed = time.monotonic()
            place = Place("dataset", f"late-{n}.jpg")
            while not store.get([place.id]):
                assert time.monotonic() - closed < 30
                time.sleep(0.005)
            found.append(time.monotonic() - closed)
            time.sleep(pause_seconds)
    return found


def percentiles(seconds: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {"p50_seconds": cuts[49], "p95_seconds": cuts[94], "worst_seconds": max(seconds)}


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_latency_on_an_idle_machine(project: Project, figure: Figure) -> None:
    project.configure(watch={})
    write(project.dataset / "1.jpg", 1)
    project.start()
    latencies(project, 3, pause_seconds=0.5)
    found = percentiles(latencies(project, 60, pause_seconds=0.7))
    figure("F30", "close to searchable, idle, settle_seconds 1", **found)
    assert found["p95_seconds"] <= 0.6


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_latency_under_a_backlog(project: Project, figure: Figure) -> None:
    project.configure(watch={})
    write_slow(project.dataset / "backlog", 3000)
    project.launch()
    project.wait(lambda: project.embedded() > 0)
    found = percentiles(latencies(project, 10, pause_seconds=0.5))
    assert project.status()["state"] == "scanning", "the backlog is over too soon"
    figure("F30", "the same during a first scan of 3,000 large pictures", **found)


# ---- F32 ----------------------------------------------------------------------------------------


@pytest.mark.faults
@pytest.mark.parametrize("when", [0.3, 1.5])
def test_a_stop_under_load(project: Project, figure: Figure, when: float) -> None:
    write_slow(project.dataset / "slow", 200)
    project.launch()
    project.wait(lambda: project.embedded() > 0)
    going = threading.Event()

    def load() -> None:
        n = 0
        while not going.wait(0.01):
            write(project.dataset / f"load/{n % 50}.jpg", n)
            n += 1

    thread = threading.Thread(target=load)
    thread.start()
    time.sleep(when)
    started = time.monotonic()
    code = project.stop()
    seconds = time.monotonic() - started
    going.set()
    thread.join()
    figure("F32", f"SIGTERM {when} s into load", exit_code=code, seconds=seconds)
    assert code == 0
    assert seconds <= 10
    project.launch()
    converge(project)
    assert compare(project).count == 0
