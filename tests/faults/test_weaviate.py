"""A Weaviate server that is down, frozen, killed or read-only, and what becomes of the index."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from core.errors import StoreAwayError, StoreError
from core.records import Hit, ImageRecord, Place
from core.stores.weaviate import WeaviateDatabase
from core.stores.weaviate_rows import WeaviateStore
from core.stores.weaviate_servers import WeaviateServers
from core.stores.weaviate_url import parse_weaviate_url
from tests.conftest import new_server
from tests.core.stores.helpers import DIM, record, vector
from tests.pictures import write
from tests.project import TOP, Project
from tests.weaviate_server import WRITER_KEY, WeaviateServer

pytestmark = [pytest.mark.weaviate, pytest.mark.timeout(120)]

PATIENCE_SECONDS = 5
SEEDS = range(*map(int, os.environ.get("WEAVIATE_SEEDS", "20:22").split(":")))
"""To hunt for what shows once in many: WEAVIATE_SEEDS=100:200."""


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WeaviateServer]:
    """A server that tests may kill; each leaves it running."""
    server = new_server(tmp_path_factory.mktemp("mortal"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return "Test" + "".join(c for c in request.node.name.title() if c.isalnum())[-40:]


@pytest.fixture
def watched(project: Project, mortal: WeaviateServer, name: str) -> Project:
    """A project whose index is on the mortal server."""
    project.configure(store=mortal.url(name))
    project.environ["WEAVIATE_API_KEY"] = WRITER_KEY
    return project


@pytest.fixture
def store(mortal: WeaviateServer, name: str) -> Iterator[WeaviateStore]:
    database = WeaviateDatabase(mortal.url(name), writable=True, api_key=WRITER_KEY)
    yield database.vectors("model", DIM)
    database.close()


def in_time(act: Callable[[], object], words: str) -> None:
    """It fails with the sentence, within five seconds."""
    begun = time.monotonic()
    with pytest.raises(StoreError, match=words):
        act()
    assert time.monotonic() - begun < PATIENCE_SECONDS


# ---- the daemon -------------------------------------------------------------------------------


def problems(project: Project) -> str:
    return " ".join(project.status().get("problems", []))


@pytest.mark.slow
def test_a_server_that_is_down_at_the_start_is_waited_for(
    watched: Project, mortal: WeaviateServer
) -> None:
    mortal.kill()
    for n in range(5):
        write(watched.dataset / f"{n}.jpg", n)
    begun = time.monotonic()
    told = watched.cli("search", watched.dataset / "1.jpg", code=1).stderr
    assert "does not answer (connection refused)" in told
    assert time.monotonic() - begun < PATIENCE_SECONDS
    assert "does not answer" in watched.cli("verify", code=1).stderr
    assert "does not answer" in watched.cli("sync", code=1).stderr
    assert "does not answer" in str(watched.json("status")["problems"])
    watched.launch()
    watched.wait(lambda: "does not answer" in problems(watched))
    assert watched.status()["state"] == "starting"
    refused = watched.cli("sync", code=1).stderr
    assert "does not answer (connection refused). Please start it" in refused
    mortal.start()
    watched.wait_indexed(5)
    watched.wait(lambda: watched.status()["problems"] == [])
    watched.cli("verify", "--content")
    assert watched.stop() == 0


@pytest.mark.faults
def test_a_daemon_told_to_stop_does_not_wait_for_the_server(
    watched: Project, mortal: WeaviateServer
) -> None:
    with mortal.frozen():
        watched.launch()
        watched.wait(lambda: "does not answer" in problems(watched))
        begun = time.monotonic()
        assert watched.stop() == 0
        assert time.monotonic() - begun < PATIENCE_SECONDS


@pytest.mark.faults
def test_a_server_killed_in_the_middle_of_the_first_scan(
    watched: Project, mortal: WeaviateServer
) -> None:
    for n in range(600):
        write(watched.dataset / f"{n}.jpg", n)
    watched.launch()
    watched.wait(lambda: stored(watched) > 50)
    mortal.kill()
    watched.wait(lambda: "does not answer" in problems(watched))
    (watched.dataset / "0.jpg").unlink()
    write(watched.dataset / "new.jpg", 600)
    mortal.start()
    at_restart = stored(watched)
    embedded = watched.status()["embedded_total"]
    watched.wait_indexed(600)
    watched.wait(lambda: watched.status()["problems"] == [])
    watched.cli("verify", "--content")
    again = watched.status()["embedded_total"] - embedded
    assert again <= 601 - at_restart, "what is stored is not embedded again"
    assert watched.stop() == 0


def stored(project: Project) -> int:
    database = WeaviateDatabase(project.settings["store"], writable=False, api_key=WRITER_KEY)
    try:
        catalogue = database.catalogue()
        return database.vectors(catalogue.serving).count() if catalogue else 0
    finally:
        database.close()


@pytest.mark.faults
def test_a_server_that_freezes_and_thaws(watched: Project, mortal: WeaviateServer) -> None:
    write(watched.dataset / "1.jpg", 1)
    watched.configure(watch={"settle_seconds": 0.1})
    watched.start()
    watched.wait_indexed(1)
    with mortal.frozen():
        write(watched.dataset / "2.jpg", 2)
        watched.wait(lambda: "does not answer" in problems(watched))
        begun = time.monotonic()
        assert "does not answer" in watched.cli("search", watched.dataset / "1.jpg", code=1).stderr
        assert "does not answer" in watched.cli("verify", code=1).stderr
        assert time.monotonic() - begun < 2 * PATIENCE_SECONDS
        (watched.dataset / "1.jpg").unlink()
    watched.wait(lambda: watched.cli("verify", code=None).returncode == 0, 60)
    watched.wait(lambda: watched.status()["problems"] == [], 60)
    assert watched.status()["embedded_total"] <= 3
    assert watched.stop() == 0


@pytest.mark.slow
def test_a_second_daemon_is_refused_by_name(watched: Project) -> None:
    watched.start()
    assert watched.daemon
    first = watched.daemon.pid
    watched.configure(state="./other-state")
    result = watched.process("daemon")
    assert result.returncode == 1
    assert f"Another daemon (process {first} on " in result.stderr
    assert f"process {first}" in watched.cli("sync", code=1).stderr


def test_a_wrong_key_ends_the_daemon_with_a_sentence(watched: Project) -> None:
    watched.environ["WEAVIATE_API_KEY"] = "wrong"
    result = watched.process("daemon")
    assert result.returncode == 1
    assert "WEAVIATE_API_KEY" in result.stderr


# ---- the store --------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_frozen_server_is_given_up_in_time(
    store: WeaviateStore, mortal: WeaviateServer, name: str
) -> None:
    store.upsert([record("a", 1)])
    fresh = WeaviateDatabase(mortal.url(name), writable=False, api_key=WRITER_KEY)
    with mortal.frozen():
        in_time(lambda: store.search(vector(1), 1), "does not answer")
        in_time(fresh.catalogue, "does not answer")
    fresh.close()
    assert store.search(vector(1), 1)[0].distance == 0


@pytest.mark.faults
def test_a_killed_server_is_noticed_in_the_middle_of_a_call(
    store: WeaviateStore, mortal: WeaviateServer
) -> None:
    store.upsert([record("a", 1)])
    mortal.signal(signal.SIGSTOP)
    threading.Timer(0.3, mortal.kill).start()
    in_time(lambda: store.search(vector(1), 1), "does not answer")
    with pytest.raises(StoreAwayError, match="connection refused"):
        store.upsert([record("b", 2)])
    mortal.start()
    assert store.search(vector(1), 1)[0].distance == 0
    store.upsert([record("b", 2)])
    assert store.count() == 2


def test_read_only_data_takes_nothing_and_says_so(
    store: WeaviateStore, mortal: WeaviateServer, name: str
) -> None:
    store.upsert([record("a", 1)])
    servers = WeaviateServers(parse_weaviate_url(mortal.url(name)), WRITER_KEY)
    collection = store._collection.name

    def be(status: str) -> None:
        shards = servers.read(lambda client: client.collections.use(collection).config.get_shards())
        names = [shard.name for shard in shards]
        servers.write(
            lambda client: client.collections.use(collection).config.update_shards(status, names)
        )

    be("READONLY")
    in_time(lambda: store.upsert([record(str(n), n) for n in range(50)]), "read-only.*free some")
    in_time(lambda: store.upsert([record("b", 2)]), "read-only")
    in_time(lambda: store.delete([record("a").id]), "read-only|could not be deleted")
    assert [hit.place.path for hit in store.search(vector(1), 5)] == ["a"]
    be("READY")
    store.upsert([record("b", 2)])
    assert store.roots() == {"pics": 2}
    servers.close()


@pytest.mark.faults
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", SEEDS)
def test_20_sigkills_of_the_server_lose_and_double_nothing(
    store: WeaviateStore, mortal: WeaviateServer, seed: int
) -> None:
    draw = random.Random(seed)
    acknowledged: dict[str, ImageRecord] = {}
    rows: list[ImageRecord] = []
    batch = 0
    for _ in range(20):
        threading.Timer(draw.uniform(0.2, 1.5), mortal.kill).start()
        while True:
            batch += 1
            last, rows = rows, [
                record(f"{n}", (batch * 37 + n) % 9973) for n in draw.sample(range(20_000), 200)
            ]  # fmt: skip
            try:
                store.upsert(rows)
            except StoreError:
                break
            acknowledged |= {row.id: row for row in rows}
        mortal.start()
        # Some rows of the batch that failed may be there; the daemon would write the others.
        stamps = store.stamps()
        store.upsert([row for row in rows if stamps.get(row.place, ("", ""))[1] != row.digest])
        acknowledged |= {row.id: row for row in rows}
        verify(store, acknowledged, thoroughly=[*last, *rows])


def verify(
    store: WeaviateStore, expected: dict[str, ImageRecord], thoroughly: list[ImageRecord]
) -> None:
    stamps = store.stamps()
    assert len(stamps) == store.count() == len(expected)
    assert {p.id: s.digest for p, s in stamps.items()} == {i: r.digest for i, r in expected.items()}
    some = list(expected.values())[:: max(1, len(expected) // 50)]
    some += [expected[row.id] for row in thoroughly[::2]]
    vectors = store.find_vectors([row.digest for row in some])
    missed: list[Place] = []
    for row in some:
        assert vectors[row.digest].tolist() == row.vector.tolist()
        (only,) = store.search(row.vector, 3, [row.place])  # compares every row in scope
        assert only == Hit(row.place, row.digest, 0)
        hits = store.search(row.vector, 3)  # walks the graph: every acknowledged row is in it
        if row.digest not in {hit.digest for hit in hits}:
            missed.append(row.place)
        assert len({hit.place for hit in hits}) == len(hits)
    assert missed == [], f"{len(missed)} of {len(some)} are stored and not found"
    places = [place for each in store.locate(list(vectors)).values() for place in each]
    assert len(set(places)) == len(places)


@pytest.mark.faults
def test_what_a_killed_writer_left_unfinished_is_made_whole(
    mortal: WeaviateServer, name: str
) -> None:
    """Server and daemon killed at once, as when their machine loses power."""
    code = f"""
from core.stores.weaviate import WeaviateDatabase
from tests.core.stores.helpers import DIM, record
database = WeaviateDatabase({mortal.url(name)!r}, writable=True, api_key={WRITER_KEY!r})
store = database.vectors("model", DIM)
for batch in range(1000):
    store.upsert([record(f"{{batch}}/{{n}}", 300 * batch + n) for n in range(300)])
    print(batch, flush=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=TOP, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        while process.stdout.readline() != "2\n":
            pass
        time.sleep(0.05)
        process.kill()
        mortal.kill()
    mortal.start()
    database = WeaviateDatabase(mortal.url(name), writable=True, api_key=WRITER_KEY)
    store = database.vectors("model", DIM)
    stamps = store.stamps()
    assert sum(place.path.startswith(("0/", "1/", "2/")) for place in stamps) == 900
    assert len(stamps) == store.count() == len(store.get([place.id for place in stamps]))
    for place in [*list(stamps)[::5], *list(stamps)[900:]]:
        batch, number = map(int, place.path.split("/"))
        assert store.search(vector(300 * batch + number), 1)[0].place == place
    database.close()


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_20_sigkills_of_the_daemon_lose_and_double_nothing(watched: Project) -> None:
    for n in range(1500):
        write(watched.dataset / f"{n}.jpg", n)
    draw = random.Random(1)
    for _ in range(20):
        watched.launch()
        time.sleep(draw.uniform(1.5, 4))
        watched.stop(signal.SIGKILL)
    watched.start()
    watched.wait_indexed(1500)
    watched.cli("verify", "--content")
    assert watched.stop() == 0
