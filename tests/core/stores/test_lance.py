"""What only the Lance store has: files, other processes, an index, kills."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from core.errors import StoreError
from core.records import Hit, Place
from core.stores import Catalogue
from core.stores.lance import LanceDatabase
from core.stores.memory import MemoryDatabase
from tests.core.stores.helpers import DIM, digest, record, vector

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "odd name #1 %20 ünï"


def writer(folder: Path, **options: int) -> LanceDatabase:
    return LanceDatabase(folder, writable=True, **options)


def test_a_reader_with_a_copy_in_memory_sees_every_change(tmp_path: Path) -> None:
    store = LanceDatabase(tmp_path, writable=True).vectors("model", DIM)
    store.upsert([record("a", 1)])
    reading = LanceDatabase(tmp_path, writable=False).vectors("model")
    for seed in range(2, 8):
        for _ in range(3):
            assert len(reading.search(vector(1), 10)) == seed - 1
            assert len(reading.locate([digest(1)])) == 1
        store.upsert([record(f"b{seed}", seed)])
    store.delete([record("a").id])
    assert reading.locate([digest(1)]) == {}


def reader(folder: Path) -> LanceDatabase:
    return LanceDatabase(folder, writable=False)


def process(role: str, folder: Path, *rest: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.core.stores.lance_processes", role, str(folder), *rest],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_importing_the_seam_does_not_import_lancedb() -> None:
    code = "import sys, core.stores, core.stores.memory; sys.exit('lancedb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0


def test_it_loads_no_client_of_a_service() -> None:
    code = "import sys, core.stores.lance; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.split()
    assert "lancedb" in loaded
    assert [name for name in loaded if name.endswith("_api")] == []


def test_a_reader_creates_nothing(folder: Path) -> None:
    database = reader(folder)
    store = database.vectors("model", DIM)
    assert database.catalogue() is None
    assert store.search(vector(0), 1) == []
    assert store.count() == len(store.stamps()) == len(store.roots()) == 0
    assert store.thumbnails([digest(0)]) == {}
    assert not folder.exists()
    folder.mkdir()
    assert store.count([Place("pics", "")]) == 0
    assert list(folder.iterdir()) == []
    with pytest.raises(StoreError, match="reading only"):
        store.upsert([record("a")])


def test_a_long_lived_reader_follows_the_writer(folder: Path) -> None:
    database = reader(folder)
    store = database.vectors("model", DIM)
    assert (store.count(), database.catalogue()) == (0, None)
    written = writer(folder)
    written.write_catalogue(Catalogue("id", "model"))
    rows = written.vectors("model", DIM)
    for seed in range(3):
        rows.upsert([record("a", seed, thumbnail=b"jpeg")])
        assert store.search(vector(seed), 1) == [Hit(Place("pics", "a"), digest(seed), 0)]
        assert store.thumbnails([digest(seed)]) == {digest(seed): b"jpeg"}
    assert database.catalogue() == Catalogue("id", "model")
    written.drop("model")
    assert store.count() == 0
    # A new table whose versions have the numbers of the old one.
    rows = written.vectors("model", DIM)
    for seed in range(10, 13):
        rows.upsert([record("b", seed)])
    assert store.search(vector(12), 1) == [Hit(Place("pics", "b"), digest(12), 0)]


def test_a_table_dropped_and_made_anew_between_two_reads_is_no_old_one(folder: Path) -> None:
    store = reader(folder).vectors("model", DIM)
    written = writer(folder)
    for name in ("a", "b", "c"):
        rows = written.vectors("model", DIM)
        rows.upsert([record(name, 1)])
        assert list(store.stamps()) == [Place("pics", name)]
        assert store.search(vector(1), 3)[0].place.path == name
        written.drop("model")


def test_a_folder_that_is_none_is_an_error_that_names_it(folder: Path) -> None:
    folder.write_text("a file")
    for database in (reader(folder), writer(folder)):
        with pytest.raises(StoreError, match=r"ünï cannot be .*: (Not a directory|File exists)"):
            database.vectors("model", DIM)
    with pytest.raises(StoreError, match="cannot be read"):
        reader(folder).catalogue()
    with pytest.raises(StoreError, match="cannot be written"):
        writer(folder / "below").write_catalogue(Catalogue("id", "model"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_rights_is_an_error_that_names_it(folder: Path) -> None:
    store = writer(folder).vectors("model", DIM)
    store.upsert([record("a", thumbnail=b"jpeg")])
    folder.chmod(0)
    try:
        with pytest.raises(StoreError, match="ünï cannot be read: Permission denied"):
            reader(folder).catalogue()
    finally:
        folder.chmod(0o700)


def test_a_full_disk_is_an_error_and_loses_nothing(folder: Path) -> None:
    code = f"""
import resource, signal
from pathlib import Path
from core.errors import StoreError
from core.stores.lance import LanceDatabase
from tests.core.stores.helpers import DIM, record
store = LanceDatabase(Path({str(folder)!r}), writable=True).vectors("model", DIM)
store.upsert([record("a")])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
for jpeg in (None, bytes(30_000)):
    try:
        store.upsert([record(f"b{{n}}", n, thumbnail=jpeg) for n in range(500)])
    except StoreError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, check=True, capture_output=True, text=True
    )
    sentence = f"The index in {folder} cannot be written: File too large. Please free some space."
    assert done.stdout.splitlines() == [sentence, sentence]
    assert list(reader(folder).vectors("model", DIM).stamps()) == [Place("pics", "a")]
    store = writer(folder).vectors("model", DIM)
    store.upsert([record("b", thumbnail=b"jpeg")])
    store.maintain()
    assert not list(folder.rglob("*.part"))


def test_damage_is_an_error_that_says_what_to_do(folder: Path) -> None:
    writer(folder).vectors("model", DIM).upsert([record("a")])
    for file in folder.glob("images_*/data/*"):
        os.truncate(file, 50)
    with pytest.raises(StoreError, match=r"ünï cannot be read: .* move the folder away"):
        reader(folder).vectors("model", DIM).stamps()


def test_a_writer_does_not_fill_an_empty_place_after_its_index_vanished(folder: Path) -> None:
    store = writer(folder).vectors("model", DIM)
    store.upsert([record("a", thumbnail=b"jpeg")])
    shutil.rmtree(folder)
    for _ in range(2):
        with pytest.raises(StoreError, match=r"cannot be written|vanished"):
            store.upsert([record("b")])
    assert not folder.exists()


def test_rows_of_another_embedder_under_the_same_hash_are_refused(folder: Path) -> None:
    writer(folder).vectors("model", DIM)
    with pytest.raises(StoreError, match="was not made for model with 20 numbers"):
        writer(folder).vectors("model", DIM + 4)


def test_a_writer_clears_what_a_killed_one_left(folder: Path) -> None:
    store = writer(folder).vectors("model", DIM)
    store.upsert([record("a", 1, thumbnail=b"jpeg"), record("b", 2, thumbnail=b"")])
    (table,) = folder.glob("images_*")
    shutil.copytree(table, folder / "dropped-1")
    jpeg = folder / "thumbnails" / digest(1)[:2] / f"{digest(1)[2:]}.jpg"
    jpeg.with_suffix(".part").write_bytes(b"jp")
    jpeg.write_bytes(b"")  # as after a power cut
    half = writer(folder)
    (folder / f"{table.stem}.lance").rename(folder / "kept")
    (folder / f"{table.stem}.lance" / "data").mkdir(parents=True)  # killed while creating it
    assert reader(folder).vectors("model", DIM).count() == 0

    store = half.vectors("model", DIM)
    assert store.thumbnails([digest(1), digest(2)]) == {}
    store.upsert([record("a", 1, thumbnail=b"jpeg")])
    store.maintain()

    assert store.thumbnails([digest(1)]) == {digest(1): b"jpeg"}
    assert not (folder / "dropped-1").exists()
    assert not list(folder.rglob("*.part"))


@pytest.mark.slow
def test_many_rows_are_searched_as_in_memory_with_and_without_an_index(folder: Path) -> None:
    rng = np.random.default_rng(1)
    centres = rng.standard_normal((40, DIM))
    drawn = centres[rng.integers(0, 40, 7000)] + 0.4 * rng.standard_normal((7000, DIM))
    drawn = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    rows = [
        # A hundred times the same picture: the order among them is by place.
        record(f"{n % 3}/{n:05}", n, vector=drawn[0 if n % 70 == 0 else n])
        for n in range(7000)
    ]
    memory = MemoryDatabase().vectors("model", DIM)
    lance = writer(folder, index_from=6000).vectors("model", DIM)
    queries = [vector(seed) for seed in range(5)] + [drawn[0]]
    scopes = [None, [Place("pics", "")], [Place("pics", "1")]]
    scopes += [[Place("pics", "0"), Place("pics", "2"), Place("pics", "1/00001")]]

    def agree() -> float:
        return float(np.mean([
            memory.search(query, k, scope) == lance.search(query, k, scope)
            for query in queries for scope in scopes for k in (1, 60)
        ]))  # fmt: skip

    for store in (memory, lance):
        store.upsert(rows)
    assert agree() == 1
    lance.maintain()
    assert len(list(folder.glob("images_*/_indices/*"))) == 1
    assert agree() == 1
    for store in (memory, lance):
        store.upsert([record(f"new/{n}", n, vector=drawn[n]) for n in range(0, 700, 7)])
        store.upsert([record(f"0/{n:05}", n, vector=vector(n)) for n in range(0, 300, 3)])
        store.delete([rows[n].id for n in range(0, 7000, 5)])
    assert agree() == 1
    lance.maintain()
    assert agree() == 1
    assert len(lance.search(queries[0], 6000, [Place("pics", "")])) == memory.count()


def test_a_dimension_that_is_no_multiple_of_8_gets_an_index_too(folder: Path) -> None:
    store = writer(folder, index_from=1000).vectors("model", 12)
    store.upsert([record(str(n), n, vector=vector(n, 12)) for n in range(6000)])
    store.maintain()
    assert list(folder.glob("images_*/_indices/*"))
    assert store.search(vector(7, 12), 1)[0].place.path == "7"


@pytest.mark.slow
def test_fragments_stay_few(folder: Path) -> None:
    store = writer(folder).vectors("model", 8)
    for n in range(140):
        store.upsert([record(str(n), n, vector=vector(n, 8))])
    assert len(list(folder.glob("images_*/data/*"))) < 150
    assert store.count() == 140


@pytest.mark.slow
def test_readers_never_fail_while_a_writer_works(folder: Path) -> None:
    readers = [process("read", folder) for _ in range(2)]
    for running in readers:
        assert running.stdout
        assert running.stdout.readline() == "ready\n"
    database = writer(folder, index_from=300)
    end = time.monotonic() + 3
    while time.monotonic() < end:
        store = database.vectors("model", DIM)
        for n in range(0, 400, 16):
            store.upsert([record(str(i), i, thumbnail=b"jpeg") for i in range(n, n + 16)])
            store.delete([record(str(n - 40)).id])
            if n % 80 == 0:
                store.maintain()
        store.maintain()
        database.drop("model")
    for running in readers:
        out, err = running.communicate("", timeout=20)
        assert (running.returncode, err) == (0, "")
        assert int(out) > 10


@pytest.mark.slow
def test_kills_lose_no_acknowledged_row(folder: Path) -> None:
    kills = int(os.environ.get("LOOKALIKE_KILLS", "3"))
    rng = np.random.default_rng(kills)
    start = acknowledged = 0
    for _ in range(kills):
        running = process("write", folder, str(start))
        assert running.stdout
        first = running.stdout.readline()
        time.sleep(float(rng.uniform(0.05, 0.8)))
        running.send_signal(signal.SIGKILL)
        printed = (first + running.communicate()[0]).split()
        acknowledged = int(printed[-1])
        rows = reader(folder).vectors("model", DIM)
        places = [Place("pics", str(n)) for n in range(acknowledged * 8 + 8)]
        assert set(places) <= rows.stamps().keys()
        assert rows.count() == len(rows.stamps())  # no id twice
        assert len(rows.search(vector(1), 100)) == min(100, rows.count())
        digests = [digest(int(place.path)) for place in places]
        assert len(rows.thumbnails(digests)) == len(rows.find_vectors(digests)) == len(places)
        start = acknowledged + 1
    assert acknowledged > kills


def test_a_whole_root_is_searched_as_if_the_others_were_not_there(folder: Path) -> None:
    rows = [record(str(n), n, root=("near", "far")[n % 2]) for n in range(6000)]
    memory = MemoryDatabase().vectors("model", DIM)
    lance = writer(folder).vectors("model", DIM)
    for store in (memory, lance):
        store.upsert(rows)
    for root in (["near"], ["far"], ["near", "far"], ["none"]):
        under = [Place(name, "") for name in root]
        for seed in range(3):  # the nearest of all is of one root, the seed's
            expected = memory.search(vector(seed), 10, under)
            assert lance.search(vector(seed), 10, under) == expected
            assert {hit.place.root for hit in expected} <= set(root)
