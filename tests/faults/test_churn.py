"""F1, F2, F5, F34: 16 threads turn a tree upside down; the index ends up equal."""

import io
import random
import signal
import time
from collections.abc import Collection
from functools import cache
from pathlib import Path

import pytest
from PIL import Image

from tests.faults import deviant
from tests.faults.churn import Churn
from tests.faults.conftest import Figure
from tests.faults.oracle import compare, converge
from tests.project import Project

OPERATIONS = 10_000
SCAN_SECONDS = 6


@pytest.fixture
def churned(project: Project) -> Project:
    """Deletions by the thousand are no accident here."""
    project.configure(watch={"settle_seconds": 0.2, "hold_deletions_above": 1})
    return project


@cache
def is_bad(data: bytes) -> bool:
    """Whether pillow, without our code, cannot read it."""
    try:
        Image.open(io.BytesIO(data)).load()
    except Exception:  # noqa: BLE001 - pillow raises whatever it likes
        return True
    return False


def bad_files(folder: Path) -> Collection[bytes]:
    """The pictures that the churn has broken."""
    found = compare_paths(folder)
    return {path for path, file in found.items() if is_bad(file.read_bytes())}


def compare_paths(folder: Path) -> dict[bytes, Path]:
    """Every regular file by its relative path as bytes."""
    files = (file for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
    return {bytes(file.relative_to(folder)): file for file in files}


def settle(project: Project, seconds: float = 60) -> float:
    """Until index and disk are equal."""
    return converge(project, bad=bad_files(project.dataset), seconds=seconds)


def churn(project: Project, seed: int, operations: int = OPERATIONS) -> Churn:
    return Churn(project.dataset, project.folder / "outside", seed, operations=operations)


@pytest.mark.slow
def test_a_little_churn(churned: Project, figure: Figure) -> None:
    churned.start()
    churn(churned, 0, 1600).run()
    figure("F1", "1,600 operations, 16 threads", differences=0, seconds=settle(churned))


@pytest.mark.faults
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(1, 21))
def test_churn(churned: Project, figure: Figure, seed: int) -> None:
    churn_from(churned, figure, seed)


def churn_from(churned: Project, figure: Figure, seed: int) -> None:
    """10,000 operations, and what is left of them."""
    churned.start()
    took = churn(churned, seed).run()
    seconds = settle(churned)
    found = compare(churned, bad=bad_files(churned.dataset))
    figure(
        "F1", f"10,000 operations, 16 threads, seed {seed}",
        differences=found.count, operations_took_seconds=took, then_equal_after_seconds=seconds,
    )  # fmt: skip
    churned.wait(lambda: churned.cli("verify", "--content", code=None).returncode == 0)
    assert churned.stop() == 0


@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("kills", "operations"), [(4, 400), (200, OPERATIONS)])
def test_churn_with_sigkills(churned: Project, figure: Figure, kills: int, operations: int) -> None:
    sigkills(churned, figure, kills, operations)


def sigkills(churned: Project, figure: Figure, kills: int, operations: int) -> None:
    """Of the daemon, in the middle of so many operations."""
    dice = random.Random(2)
    mess = churn(churned, 2, operations)
    mess.start(pause_seconds=kills * 1.6 * 16 / operations)
    for _ in range(kills):
        churned.launch()
        time.sleep(dice.uniform(0.2, 3))
        churned.stop(signal.SIGKILL)
    mess.join()
    started = time.monotonic()
    churned.launch()
    settle(churned, 120)
    catch_up = time.monotonic() - started
    found = compare(churned, bad=bad_files(churned.dataset))
    figure(
        "F2", f"{operations:,} operations, {kills} SIGKILLs of the daemon",
        differences=found.count, duplicates=found.doubled, catch_up_seconds=catch_up,
    )  # fmt: skip
    assert found.count == 0
    churned.wait(lambda: churned.status()["state"] == "watching")
    churned.wait(lambda: churned.cli("verify", "--content", code=None).returncode == 0)


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_without_any_event_the_scan_finds_everything(churned: Project, figure: Figure) -> None:
    churned.settings["watch"]["rescan_minutes"] = SCAN_SECONDS / 60
    deviant.launch(churned, deaf=True)
    churned.wait(lambda: churned.status()["state"] == "watching")
    churn(churned, 34).run()
    seconds = settle(churned)
    figure("F34", "F1 with events off, a scan every 6 s", differences=0, seconds=seconds)


@pytest.mark.slow
def test_a_lost_event_is_repaired_by_the_next_scan(churned: Project, figure: Figure) -> None:
    churned.settings["watch"]["rescan_minutes"] = 2 / 60
    deviant.launch(churned, deaf=True)
    churned.wait(lambda: churned.status()["state"] == "watching")
    churn(churned, 5, 400).run()
    seconds = settle(churned, 20)
    figure("F5", "events withheld, a scan every 2 s", differences=0, seconds=seconds)
    assert seconds <= 2 * 2 + 2
