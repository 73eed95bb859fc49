"""F1, F2, F3, F18, F28 with the index on a real Weaviate server."""

import shutil
import time
from collections.abc import Iterator

import pytest

from tests.conftest import new_server
from tests.faults import deviant, test_churn, test_crash_points, test_store_and_clock
from tests.faults.conftest import Figure
from tests.faults.oracle import compare, converge
from tests.pictures import write
from tests.project import Project
from tests.weaviate_server import WRITER_KEY, WeaviateServer

pytestmark = [pytest.mark.faults, pytest.mark.weaviate, pytest.mark.timeout(900)]

AWAY_SECONDS = 60


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WeaviateServer]:
    """One for each test, as they kill it and change its data."""
    server = new_server(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def there(project: Project, server: WeaviateServer, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose index is on the server."""
    project.configure(
        store=server.url("TestFaults"), watch={"settle_seconds": 0.2, "hold_deletions_above": 1}
    )
    project.environ["WEAVIATE_API_KEY"] = WRITER_KEY
    monkeypatch.setenv("WEAVIATE_API_KEY", WRITER_KEY)  # the oracle reads the rows, too
    return project


@pytest.fixture
def noted(figure: Figure) -> Figure:
    """Says where it was."""
    return lambda fault, what, **figures: figure(fault, f"{what}; Weaviate", **figures)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_churning(there: Project, noted: Figure, seed: int) -> None:
    test_churn.churn_from(there, noted, seed)


def test_churning_with_sigkills(there: Project, noted: Figure) -> None:
    test_churn.sigkills(there, noted, 40, 4_000)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("label", deviant.SERVER_POINTS)
def test_killed_while_the_server_writes(
    there: Project, noted: Figure, label: str, when: str
) -> None:
    test_crash_points.killed_at(there, noted, label, when)


def test_the_server_is_away(there: Project, server: WeaviateServer, noted: Figure) -> None:
    """A minute by the clock: on a clock that runs faster no server answers in time."""
    for n in range(200):
        write(there.dataset / f"{n}.jpg", n)
    there.launch()
    converge(there)
    server.kill()
    write(there.dataset / "new.jpg", 999)
    there.wait(lambda: any("does not answer" in text for text in there.status()["problems"]))
    mess = test_churn.churn(there, 18, 2_000)
    mess.start(pause_seconds=AWAY_SECONDS * 16 / 2_000)
    mess.join()
    server.start()
    began = time.monotonic()
    test_churn.settle(there, 180)
    found = compare(there, bad=test_churn.bad_files(there.dataset))
    noted(
        "F18", f"server killed for {AWAY_SECONDS} s, 2,000 operations meanwhile",
        differences=found.count, equal_after_seconds=time.monotonic() - began,
    )  # fmt: skip
    there.wait(lambda: not there.status()["problems"], 90)


@pytest.mark.parametrize("name", ["deleted", "corrupted", "set back"])
def test_the_state_there_is(there: Project, noted: Figure, name: str) -> None:
    test_store_and_clock.the_state_is(there, noted, name)


@pytest.mark.parametrize("name", ["set back", "emptied"])
def test_the_server_is(there: Project, server: WeaviateServer, noted: Figure, name: str) -> None:
    data, copy = server.folder / "data", server.folder / "yesterday"

    def stopped() -> None:
        server.stop()
        shutil.copytree(data, copy)
        server.start()

    test_store_and_clock.yesterday_and_today(there, stopped)
    server.stop()
    shutil.rmtree(data)
    if name == "set back":
        copy.rename(data)
    server.start()
    test_store_and_clock.catch_up(there, noted, name)
