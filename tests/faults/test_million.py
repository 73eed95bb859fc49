"""F29: a million files that do not change: what a rescan costs, in time, memory and idle CPU."""

import itertools
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from core.config import load_config
from core.embedders.colour_layout import ColourLayout
from core.records import ImageRecord, Place
from core.stores import Catalogue
from core.stores.lance import LanceDatabase
from daemon.scanner import file_stamp
from tests.core.stores.helpers import digest, vector
from tests.faults.conftest import Figure
from tests.project import Project

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800)]

FOLDERS, FILES = 1000, 1000
BATCH = 100_000
IDLE_SECONDS = 60


def draw_tree(dataset: Path) -> Iterator[tuple[Place, os.stat_result]]:
    """Empty files: nobody opens one, as each has a row with its stamp."""
    for folder in range(FOLDERS):
        (dataset / f"{folder:04}").mkdir()
        for number in range(FILES):
            path = f"{folder:04}/{number:04}.jpg"
            descriptor = os.open(dataset / path, os.O_CREAT | os.O_WRONLY)
            yield Place("dataset", path), os.fstat(descriptor)
            os.close(descriptor)


def fill(project: Project) -> None:
    """The index that a first scan of a million pictures leaves, without their pictures."""
    project.command("status")
    embedder = ColourLayout()
    config = load_config(project.folder / "config.yaml")
    assert config.store_path
    database = LanceDatabase(config.store_path, writable=True)
    database.write_catalogue(Catalogue("million", embedder.name))
    store = database.vectors(embedder.name, embedder.dim)
    vectors = [vector(seed, embedder.dim) for seed in range(64)]
    rows = (
        ImageRecord(place, file_stamp(status), digest(n), vectors[n % 64])
        for n, (place, status) in enumerate(draw_tree(project.dataset))
    )
    while batch := list(itertools.islice(rows, BATCH)):
        store.upsert(batch)
    database.close()


def scans(project: Project) -> list[tuple[float, int]]:
    """(seconds, differences) of each full scan in the log."""
    found = re.findall(r"Scanned everything in ([\d.]+) s: (\d+) differences", project.log())
    return [(float(seconds), int(differences)) for seconds, differences in found]


def peak_bytes(process: psutil.Process) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024


def bare_daemon_bytes(project: Project) -> int:
    """The peak of a daemon that has nothing to do."""
    project.start()
    assert project.daemon
    found = peak_bytes(psutil.Process(project.daemon.pid))
    project.stop()
    return found


def measure(project: Project, bare_bytes: int, figure: Figure) -> None:
    """The filled project: a first scan, a minute without work, a rescan."""
    project.configure(watch={"settle_seconds": 0.2, "rescan_minutes": 2})
    (project.folder / "daemon.log").unlink(missing_ok=True)
    project.launch()
    assert project.daemon
    process = psutil.Process(project.daemon.pid)
    project.wait(lambda: scans(project), 600)
    project.wait(lambda: project.status()["state"] == "watching")
    time.sleep(10)
    used = process.cpu_times()
    time.sleep(IDLE_SECONDS)
    now = process.cpu_times()
    idle_cpu = (now.user + now.system - used.user - used.system) / IDLE_SECONDS
    project.wait(lambda: len(scans(project)) > 1, 600)
    then = process.cpu_times()
    scan_cpu = then.user + then.system - now.user - now.system
    first, second = scans(project)[:2]
    peak = peak_bytes(process) - bare_bytes
    steady = process.memory_info().rss - bare_bytes
    figure(
        "F29", "1,000,000 files unchanged",
        first_scan_seconds=first[0], rescan_seconds=second[0], rescan_cpu_seconds=scan_cpu,
        peak_mb_above_a_bare_daemon=peak / 1e6, steady_mb_above=steady / 1e6,
        idle_cpu_percent=100 * idle_cpu,
    )  # fmt: skip
    assert project.stop() == 0
    assert first[1] == second[1] == 0
    assert max(first[0], second[0]) <= 20
    assert peak <= 500e6
    assert idle_cpu <= 0.01


def test_a_million_unchanged_files(project: Project, figure: Figure) -> None:
    bare_bytes = bare_daemon_bytes(project)
    fill(project)
    measure(project, bare_bytes, figure)
