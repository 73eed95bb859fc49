"""What only the Weaviate store has: a server, keys, a schema, other writers."""

import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import StoreAwayError, StoreError
from core.records import Hit, Place
from core.stores import Catalogue
from core.stores.weaviate import WeaviateDatabase
from core.stores.weaviate_client import (
    Configure,
    DataType,
    Property,
    Rows,
    Tokenization,
    VectorDistances,
    exceptions,
)
from core.stores.weaviate_collection import WeaviateCollection
from core.stores.weaviate_notes import Notes
from core.stores.weaviate_rows import WeaviateStore
from core.stores.weaviate_schema import IMAGES, creation
from core.stores.weaviate_servers import WeaviateServers
from core.stores.weaviate_url import parse_weaviate_url
from core.stores.weaviate_writer import SecondWriterError, Writer
from tests.conftest import Weaviate
from tests.core.stores.helpers import DIM, digest, record, vector
from tests.weaviate_server import READER_KEY

pytestmark = pytest.mark.weaviate

REPOSITORY = Path(__file__).parents[3]

Open = Callable[..., WeaviateDatabase]


@pytest.fixture
def url(weaviate_server: Weaviate, weaviate_name: str) -> str:
    return weaviate_server.url(weaviate_name)


@pytest.fixture
def open_(url: str, weaviate_server: Weaviate) -> Iterator[Open]:
    opened = []

    def make(*, writable: bool = True, at: str = url, key: str | None = weaviate_server.key) -> Any:
        opened.append(WeaviateDatabase(at, writable=writable, api_key=key))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


@pytest.fixture
def servers(url: str, weaviate_server: Weaviate) -> Iterator[WeaviateServers]:
    made = WeaviateServers(parse_weaviate_url(url), weaviate_server.key)
    yield made
    made.close()


def collections(servers: WeaviateServers, name: str) -> list[str]:
    names = servers.read(lambda client: list(client.collections.list_all()))
    return sorted(each for each in names if each.startswith(name))


def test_a_reader_creates_nothing(
    open_: Open, servers: WeaviateServers, weaviate_name: str
) -> None:
    database = open_(writable=False)
    store = database.vectors("model", DIM)
    assert database.catalogue() is None
    assert store.search(vector(0), 1) == []
    assert store.count() == len(store.stamps()) == len(store.roots()) == 0
    assert store.thumbnails([digest(0)]) == {}
    with pytest.raises(StoreError, match="reading only"):
        store.upsert([record("a")])
    assert collections(servers, weaviate_name) == []


def test_a_long_lived_reader_follows_the_writer(open_: Open) -> None:
    database = open_(writable=False)
    store = database.vectors("model")
    assert (store.count(), database.catalogue(), store.dim) == (0, None, 0)
    written = open_()
    written.write_catalogue(Catalogue("id", "model"))
    rows = written.vectors("model", DIM)
    for seed in range(3):
        rows.upsert([record("a", seed, thumbnail=b"jpeg")])
        assert store.search(vector(seed), 1) == [Hit(Place("pics", "a"), digest(seed), 0)]
        assert store.thumbnails([digest(seed)]) == {digest(seed): b"jpeg"}
        assert store.roots() == {"pics": 1}
    assert (database.catalogue(), store.dim) == (Catalogue("id", "model"), DIM)
    written.drop("model")
    assert store.count() == 0
    written.vectors("model", DIM).upsert([record("b", 12)])
    assert store.search(vector(12), 1) == [Hit(Place("pics", "b"), digest(12), 0)]


@pytest.mark.parametrize(
    "answer",
    [
        "explorer: list class: search: tried to browse non-existing index for {}",
        'object search at index {}: collection "{}": no read replica found for shards ["GzWsL"]',
    ],
)
def test_a_collection_that_is_just_being_made_is_waited_for(
    open_: Open, servers: WeaviateServers, weaviate_name: str, answer: str
) -> None:
    """For a moment the schema names it, and the server cannot read it."""
    open_().vectors("model", DIM).upsert([record("a")])
    name = next(name for name in collections(servers, weaviate_name) if "Images" in name)
    answers = [answer.format(name, name)] * 2

    def act(rows: Rows) -> int:
        if answers:
            raise exceptions.WeaviateQueryError(answers.pop(), "GRPC search")
        return len(rows.query.fetch_objects().objects)

    assert WeaviateCollection(servers, name, IMAGES, {}).read(act, 0) == 1


def test_two_names_share_nothing(open_: Open, url: str, weaviate_name: str) -> None:
    other = url.replace(weaviate_name, f"{weaviate_name}Images")
    for at, seed in ((url, 1), (other, 2)):
        database = open_(at=at)
        database.write_catalogue(Catalogue(str(seed), "model"))
        database.vectors("model", DIM).upsert([record("a", seed, thumbnail=b"%d" % seed)])
        database.vectors("model", DIM).maintain()
    assert open_(writable=False).catalogue() == Catalogue("1", "model")
    store = open_(writable=False).vectors("model")
    assert store.thumbnails([digest(1), digest(2)]) == {digest(1): b"1"}
    assert open_(at=other, writable=False).vectors("model").count() == 1


def test_the_key_that_may_only_read_is_enough_to_search(
    open_: Open, weaviate_server: Weaviate
) -> None:
    if weaviate_server.server is None:
        pytest.skip("only our own server has a second key")
    writer = open_()
    writer.write_catalogue(Catalogue("id", "model"))
    writer.vectors("model", DIM).upsert([record("a", 1, thumbnail=b"jpeg")])
    writer.close()
    reader = open_(writable=False, key=READER_KEY)
    assert reader.catalogue() == Catalogue("id", "model")
    store = reader.vectors("model")
    assert store.search(vector(1), 1, [Place("pics", "")])[0].distance == 0
    assert len(store.stamps()) == store.count() == store.roots()["pics"] == 1
    assert store.locate([digest(1)]) == {digest(1): [Place("pics", "a")]}
    assert len(store.find_vectors([digest(1)])) == len(store.thumbnails([digest(1)])) == 1
    with pytest.raises(StoreError, match=r"does not allow it with this key.*insufficient"):
        open_(key=READER_KEY).write_catalogue(Catalogue("id", "other"))
    for wrong in (None, "wrong"):
        with pytest.raises(StoreError, match=r"refuses the key.*WEAVIATE_API_KEY") as caught:
            open_(writable=False, key=wrong).catalogue()
        assert not isinstance(caught.value, StoreAwayError), "waiting does not help"


def test_what_is_not_there_is_told_apart(open_: Open, url: str) -> None:
    parsed = parse_weaviate_url(url)
    too_new = url.partition("&oldest=")[0] + "&oldest=99.0"
    with pytest.raises(StoreError, match=r"has version 1\.\d+\.\d+, which may lose rows"):
        open_(at=too_new).catalogue()
    port = parsed.addresses[0].grpc_port
    with pytest.raises(StoreAwayError, match="its gRPC port 9 does not: Connection refused"):
        open_(at=url.replace(f"grpc={port}", "grpc=9")).catalogue()
    with pytest.raises(StoreAwayError, match=r"1:9 does not answer .*connection refused"):
        open_(at="weaviate://127.0.0.1:9").catalogue()
    with pytest.raises(StoreAwayError, match=r"no.example:8080 does not answer .*Please start it"):
        open_(at="weaviate://no.example").catalogue()


def test_the_next_address_is_tried(open_: Open, url: str) -> None:
    address = parse_weaviate_url(url).addresses[0]
    several = url.replace(str(address), f"127.0.0.1:9,{address}").replace("grpc=", "grpc=10,")
    writer = open_(at=several)
    writer.vectors("model", DIM).upsert([record("a", 1)])
    assert writer.vectors("model").search(vector(1), 1)[0].distance == 0
    with pytest.raises(StoreAwayError, match=r"Nor do the other 1 of weaviate://.*:9,.*:10/"):
        open_(at="weaviate://127.0.0.1:9,127.0.0.1:10").catalogue()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"properties": []}, "the property 'root' is missing"),
        (
            {
                "properties": [
                    Property(name=n, data_type=DataType.TEXT, tokenization=Tokenization.WORD)
                    for n in IMAGES.fields
                ]
            },
            "'path' has tokenization word, expected field.*'racy' has type text, expected bool",
        ),
        (
            {
                "vector_config": Configure.Vectors.self_provided(
                    vector_index_config=Configure.VectorIndex.hnsw(
                        distance_metric=VectorDistances.DOT
                    )
                )
            },
            "its distance is dot, expected cosine",
        ),
        (
            {
                "vector_config": Configure.Vectors.self_provided(
                    vector_index_config=Configure.VectorIndex.flat()
                )
            },
            "its vector index is flat, expected hnsw",
        ),
        (
            {"vector_config": Configure.Vectors.self_provided(name="other")},
            "it has no vector 'default'",
        ),
        ({"multi_tenancy_config": Configure.multi_tenancy()}, "it has tenants"),
        ({"description": "mine"}, "its embedder is None, expected 'model'"),
    ],
    ids=["no properties", "words", "dot", "flat", "no vector", "tenants", "foreign"],
)
def test_a_schema_that_does_not_fit_is_refused_with_the_difference(
    open_: Open,
    servers: WeaviateServers,
    changes: dict[str, Any],
    words: str,
) -> None:
    about = {"embedder": "model", "dim": DIM}
    name = open_()._name("model")
    made = creation(IMAGES, about, replicas=1) | changes
    servers.write(lambda client: client.collections.create(name, **made))
    before = servers.read(lambda client: client.collections.use(name).config.get().to_dict())
    with pytest.raises(StoreError, match=f"{name}.* does not fit: .*{words}"):
        open_().vectors("model", DIM)
    with pytest.raises(StoreError, match="does not fit"):
        open_(writable=False).vectors("model")
    after = servers.read(lambda client: client.collections.use(name).config.get().to_dict())
    assert after == before


def test_vectors_of_another_length_are_refused(open_: Open) -> None:
    database = open_()
    database.vectors("model", DIM)
    with pytest.raises(StoreError, match=f"its dim is {DIM}, expected {DIM + 1}"):
        database.vectors("model", DIM + 1)


def test_an_operator_may_tune_what_changes_no_answer(open_: Open, servers: WeaviateServers) -> None:
    about = {"embedder": "model", "dim": DIM}
    index = Configure.VectorIndex.hnsw(distance_metric=VectorDistances.COSINE, max_connections=16)
    made = creation(IMAGES, about, replicas=1)
    made["vector_config"] = Configure.Vectors.self_provided(vector_index_config=index)
    database = open_()
    name = database._name("model")
    servers.write(lambda client: client.collections.create(name, **made))
    database.vectors("model", DIM).upsert([record("a", 1)])
    assert database.vectors("model", DIM).count() == 1


@pytest.mark.slow
def test_more_rows_than_the_server_gives_at_once(open_: Open) -> None:
    """Our own server gives 1,000."""
    store = open_().vectors("model", DIM)
    rows = [record(f"many/{n}", n % 1500) for n in range(2100)]
    store.upsert(rows)
    store.upsert([record(f"few/{n}", 5000 + n) for n in range(10)])
    assert len(store.stamps()) == store.count() == store.roots()["pics"] == 2110
    assert len(store.stamps([Place("pics", "many")])) == 2100
    assert len(store.stamps([Place("pics", "few")])) == 10
    assert sum(map(len, store.locate([row.digest for row in rows]).values())) == 2100
    assert len(store.find_vectors([row.digest for row in rows])) == 1500
    assert len(store.search(vector(3), 500)) == 500
    store.delete([row.id for row in rows])
    assert sorted(path for _, path in store.stamps()) == [f"few/{n}" for n in range(10)]
    assert store.roots() == {"pics": 10}


def test_roots_are_counted_whatever_was_written(open_: Open) -> None:
    store = open_().vectors("model", DIM)
    for step in (
        lambda: store.upsert([record(str(n), n, root="a") for n in range(3)]),
        lambda: store.upsert([record(str(n), n, root="a") for n in range(5)]),
        lambda: store.upsert([record(str(n), n, root=r) for n in range(2) for r in "bc"]),
        lambda: store.delete([record("0", root="a").id, record("9", root="a").id]),
        lambda: store.delete([record(str(n), root=r).id for n in range(2) for r in "ab"]),
    ):
        step()
        assert store.roots() == counted(store)
    assert store.roots() == {"a": 3, "c": 2}


def counted(store: WeaviateStore) -> dict[str, int]:
    roots = [root for root, _ in store.stamps()]
    return {root: roots.count(root) for root in set(roots)}


@pytest.mark.slow
def test_distances_do_not_depend_on_the_quantizer(open_: Open) -> None:
    generator = np.random.default_rng(1)
    drawn = generator.standard_normal((3000, 384)).astype(np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    store = open_().vectors("model", 384)
    store.upsert([record(f"{n}", n, vector=drawn[n]) for n in range(len(drawn))])
    query = drawn[7]
    wide = drawn.astype(np.float64)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    exact = np.sort(np.clip(1 - wide @ wide[7], 0, 2))
    for under in (None, [Place("pics", "")]):
        distances = [hit.distance for hit in store.search(query, 50, under)]
        assert distances == pytest.approx(exact[:50], abs=2e-6)


def test_many_threads_search_while_one_writes(open_: Open) -> None:
    database = open_()
    store = database.vectors("model", DIM)
    store.upsert([record("seed", 0)])
    failures: list[BaseException] = []
    stop = threading.Event()

    def search() -> None:
        try:
            while not stop.is_set():
                assert store.search(vector(0), 1)[0].place.path == "seed"
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=search) for _ in range(8)]
    for thread in threads:
        thread.start()
    for batch in range(10):
        store.upsert([record(f"{batch}/{n}", 1 + n) for n in range(50)])
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert store.count() == 501


# ---- one writer -------------------------------------------------------------------------------


def test_a_second_writer_is_refused_until_the_first_has_closed(open_: Open) -> None:
    first, second = open_(), open_()
    first.claim()
    with pytest.raises(StoreAwayError, match=rf"process {os.getpid()} on .* heard of . s ago"):
        second.claim()
    until = time.monotonic() + 15
    while time.monotonic() < until:
        try:
            second.claim()
        except SecondWriterError as error:
            assert "Stop it first, or choose another NAME" in str(error)
            break
        except StoreAwayError:
            time.sleep(0.3)
    else:
        pytest.fail("the second writer was never told for good")
    first.close()
    second.claim()
    second.vectors("model", DIM).upsert([record("a")])


def test_the_place_of_a_process_that_was_killed_is_free_at_once(
    open_: Open, url: str, weaviate_server: Weaviate
) -> None:
    code = (
        "import sys; from core.stores.weaviate import WeaviateDatabase as D\n"
        f"D({url!r}, writable=True, api_key={weaviate_server.key!r}).claim()\n"
        "print('claimed', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "claimed\n"
        with pytest.raises(StoreAwayError, match=f"process {process.pid}"):
            open_().claim()
        process.kill()
    open_().claim()


@pytest.mark.slow
def test_a_writer_that_fell_silent_loses_its_place(servers: WeaviateServers, url: str) -> None:
    notes = Notes(servers, parse_weaviate_url(url).name)
    elsewhere = {"token": "x", "beat": 1, "host": "far", "pid": 1, "machine": "other"}
    notes.write("writer", elsewhere)
    writer = Writer(servers, notes, writable=True, silent_seconds=2)
    with pytest.raises(StoreAwayError, match=r"process 1 on far.* silent for 2 s"):
        take(writer)
    time.sleep(3.1)
    take(writer)
    notes.write("writer", elsewhere)  # it wakes up and takes its place back
    time.sleep(1.5)
    with pytest.raises(SecondWriterError, match="on far"):
        take(writer)
    writer.release()
    assert notes.read("writer") == elsewhere


def take(writer: Writer) -> None:
    with writer.writing():
        pass


# ---- the client -------------------------------------------------------------------------------


def test_importing_the_store_leaves_the_warning_filters_alone() -> None:
    code = (
        "import core.stores.exact\n"
        "import warnings; before = list(warnings.filters); import core.stores.weaviate\n"
        "assert warnings.filters == before"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_nothing_stays_open(open_: Open) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        database = open_()
        database.vectors("model", DIM).upsert([record("a")])
        database.close()
        del database
    assert [str(each.message) for each in caught] == []
    assert not [t for t in threading.enumerate() if t.name == "heartbeat"]
