"""What every store does. The memory store is the specification."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.errors import StoreError
from core.paths import path_text
from core.records import FileStamp, IndexedStamp, Place
from core.stores import FORMAT, Catalogue, Database, VectorStore
from core.stores.weaviate import WeaviateDatabase
from tests.conftest import Weaviate, own_name
from tests.core.stores.helpers import DIM, digest, open_database, record, vector

ODD_NAMES = [
    "it's.jpg",
    "'; DROP TABLE images; --.jpg",
    'say "cheese".jpg',
    "100%.jpg",
    "a_b.jpg",
    "axb.jpg",
    path_text("line\nbreak.jpg"),
    path_text("back\\slash.jpg"),
    path_text(b"not utf-8 \xff.jpg"),
    path_text(" blank at both ends "),
    "🐈‍⬛/naïve/日本.jpg",
    "Case.jpg",
    "case.jpg",
    "\u00e9.jpg",
    "e\u0301.jpg",  # the same letter, other bytes: another file
    "dot.",
    "deep/" * 60 + "x.jpg",
    "x" * 255,
]


@pytest.fixture(params=["memory", "lance", pytest.param("weaviate", marks=pytest.mark.weaviate)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "weaviate":
        yield from weaviate_database(request.getfixturevalue("contract_name"), request)
        return
    opened = open_database(request.param, tmp_path / "index")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def contract_name(weaviate_server: Weaviate) -> Iterator[str]:
    yield from own_name(weaviate_server)


def weaviate_database(name: str, request: pytest.FixtureRequest) -> Iterator[Database]:
    """On one NAME for all tests, as making collections takes the server most of a second."""
    server = request.getfixturevalue("weaviate_server")
    opened = WeaviateDatabase(server.url(name), writable=True, api_key=server.key)
    yield opened
    opened.close()
    again = WeaviateDatabase(server.url(name), writable=True, api_key=server.key)
    for table in again._tables():
        again._drop(table)
    again._thumbnails.sweep(again._digests_in_use)
    again._notes.delete("catalogue")
    again.close()


@pytest.fixture
def store(database: Database) -> VectorStore:
    return database.vectors("model", DIM)


def paths(store: VectorStore, *under: str) -> list[str]:
    return sorted(path for _, path in store.stamps([Place("pics", path) for path in under]))


def test_a_new_store_is_empty(store: VectorStore) -> None:
    assert store.count() == 0
    assert dict(store.stamps()) == {}
    assert store.roots() == {}
    assert store.search(vector(0), 5) == []
    assert store.get([record("a").id]) == {}
    assert store.locate([digest(0)]) == store.find_vectors([digest(0)]) == {}
    assert store.thumbnails([digest(0)]) == {}
    store.upsert([])
    store.delete([])
    store.delete([record("a").id])
    store.maintain()


def test_a_row_comes_back_as_it_was_written(store: VectorStore) -> None:
    stamp = FileStamp(2**40, -5, 2**62, 2**64 - 1)
    written = record("a/b.jpg", 3, stamp=stamp, racy=True, thumbnail=b"jpeg")
    store.upsert([written])

    read = store.get([written.id])[written.id]

    assert (read.place, read.stamp, read.digest, read.racy) == (
        written.place, stamp, written.digest, True
    )  # fmt: skip
    assert read.vector.dtype == np.float32
    assert np.array_equal(read.vector, written.vector)
    assert read.thumbnail is None
    assert store.stamps() == {written.place: IndexedStamp(stamp, written.digest, racy=True)}
    assert store.thumbnails([written.digest, digest(9)]) == {written.digest: b"jpeg"}


def test_upsert_and_delete_are_idempotent(store: VectorStore) -> None:
    for _ in range(3):
        store.upsert([record("a", 1), record("b", 2)])
    assert store.count() == 2
    for _ in range(2):
        store.delete([record("a").id])
    assert paths(store, "") == ["b"]


def test_upsert_replaces_the_row_of_a_changed_file(store: VectorStore) -> None:
    store.upsert([record("a", 1)])
    store.upsert([record("a", 2)])
    assert store.count() == 1
    assert store.search(vector(2), 1)[0].distance == 0
    assert store.locate([digest(1)]) == {}


def test_of_two_records_of_one_id_the_later_counts(store: VectorStore) -> None:
    store.upsert([record("a", 1), record("b", 1), record("a", 2)])
    assert store.count() == 2
    assert store.locate([digest(2)]) == {digest(2): [Place("pics", "a")]}


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros(DIM, np.float32),
        np.full(DIM, np.nan, np.float32),
        np.full(DIM, np.inf, np.float32),
        vector(1) * np.float32(1.01),
        vector(1).astype(np.float64),
        vector(1, DIM + 1),
        vector(1).reshape(1, DIM),
    ],
    ids=["zero", "nan", "inf", "long", "float64", "dim", "shape"],
)
def test_a_wrong_vector_is_refused_before_anything_is_written(
    store: VectorStore, wrong: np.ndarray
) -> None:
    with pytest.raises(ValueError, match="a vector"):
        store.upsert([record("good", thumbnail=b"jpeg"), record("bad", vector=wrong)])
    with pytest.raises(ValueError, match="a vector"):
        store.search(wrong, 1)
    assert store.count() == 0
    assert store.thumbnails([digest(0)]) == {}


def test_a_digest_that_is_none_is_refused(store: VectorStore) -> None:
    with pytest.raises(ValueError, match="64 hex digits"):
        store.upsert([record("a", digest="../../etc/passwd", thumbnail=b"jpeg")])


def test_search_is_nearest_first_and_exact(store: VectorStore) -> None:
    rows = [record(f"{seed}.jpg", seed) for seed in range(100)]
    store.upsert(rows)
    query = vector(1000)
    expected = sorted(
        (round(1 - float(row.vector.astype(np.float64) @ query), 6), row.place) for row in rows
    )

    hits = store.search(query, 10)

    assert [hit.place for hit in hits] == [place for _, place in expected[:10]]
    assert [hit.distance for hit in hits] == pytest.approx([d for d, _ in expected[:10]], abs=2e-6)
    assert len(store.search(query, 1000)) == 100


def test_distances_stay_between_0_and_2(store: VectorStore) -> None:
    store.upsert([record("same", 1), record("opposite", 2, vector=-vector(1))])
    assert [hit.distance for hit in store.search(vector(1), 2)] == [0, 2]
    assert str(store.search(vector(1), 1)[0].distance) == "0.0"  # not -0.0


def test_ties_are_ordered_by_place_also_at_the_last_rank(store: VectorStore) -> None:
    names = [f"copy {n:04}" for n in range(300)]
    store.upsert([record(name, 1) for name in reversed(names)])
    store.upsert([record("first", 1, root="aaa"), record("other", 2)])
    hits = store.search(vector(1), 20)
    assert [hit.place for hit in hits] == [
        Place("aaa", "first"),
        *(Place("pics", name) for name in names[:19]),
    ]


def test_copies_are_located_by_digest(store: VectorStore) -> None:
    store.upsert([record(path, 1) for path in ("b", "a/z", "a")] + [record("c", 2)])
    store.upsert([record("b", 1, root="other")])
    everywhere = [Place("other", "b"), *(Place("pics", path) for path in ("a", "a/z", "b"))]
    assert store.locate([digest(1), digest(9)]) == {digest(1): everywhere}
    below = store.locate([digest(1), digest(2)], [Place("pics", "a")])
    assert below == {digest(1): [Place("pics", "a"), Place("pics", "a/z")]}
    assert set(store.find_vectors([digest(1), digest(2), digest(3)])) == {digest(1), digest(2)}
    assert np.array_equal(store.find_vectors([digest(2)])[digest(2)], vector(2))


def test_under_takes_whole_segments_and_no_wildcards(store: VectorStore) -> None:
    names = ["pics", "pics-old/a", "pics/a", "pics/b/c", "pics0", "pics.jpg", "pi", "PICS/a",
             "p%/a", "p_/a", "pxx/a", "pics/é", "pics/\U0010ffff"]  # fmt: skip
    store.upsert([record(name, seed) for seed, name in enumerate(names)])
    assert paths(store, "pics") == sorted(
        ["pics", "pics/a", "pics/b/c", "pics/é", "pics/\U0010ffff"]
    )
    assert paths(store, "p%") == ["p%/a"]
    assert paths(store, "p_") == ["p_/a"]
    assert paths(store, "pics/b", "pics", "p_/a") == sorted([*paths(store, "pics"), "p_/a"])
    assert paths(store, "pic", "pics/a/b", "nothing") == []
    assert paths(store, "") == sorted(names)


def test_under_holds_in_search_and_count(store: VectorStore) -> None:
    store.upsert([record(f"a/{seed}", seed) for seed in range(5)])
    store.upsert([record(f"b/{seed}", seed, root="other") for seed in range(5)])
    scope = [Place("other", "b"), Place("pics", "a/3"), Place("unknown", "")]
    assert store.count(scope) == 6
    assert [hit.place for hit in store.search(vector(3), 2, scope)] == [
        Place("other", "b/3"),
        Place("pics", "a/3"),
    ]
    assert store.roots() == {"pics": 5, "other": 5}


def test_no_place_means_no_rows(store: VectorStore) -> None:
    store.upsert([record("a")])
    assert store.count([]) == 0
    assert store.search(vector(0), 1, []) == []
    assert dict(store.stamps([])) == {}
    assert store.locate([digest(0)], []) == {}


@pytest.mark.slow
def test_hundreds_of_places_and_thousands_of_ids_work_in_one_call(store: VectorStore) -> None:
    rows = [record(f"folder {n}/x", n) for n in range(2500)]
    store.upsert(rows)
    scope = [Place("pics", f"folder {n}") for n in range(400)]
    scope += [Place("pics", "folder 7/x")] * 2
    assert store.count(scope) == 400
    assert len(store.stamps(scope)) == 400
    assert store.search(vector(399), 1, scope)[0].place == Place("pics", "folder 399/x")
    assert len(store.get([row.id for row in rows])) == 2500
    assert len(store.locate([row.digest for row in rows])) == 2500
    assert len(store.find_vectors([row.digest for row in rows])) == 2500
    store.delete([row.id for row in rows[:2400]])
    assert store.count() == 100


def test_odd_names_survive(store: VectorStore) -> None:
    rows = [record(name, seed) for seed, name in enumerate(ODD_NAMES)]
    store.upsert(rows)
    for row in rows:
        assert list(store.stamps([row.place])) == [row.place]
        assert store.search(row.vector, 1)[0].place == row.place
        assert store.locate([row.digest]) == {row.digest: [row.place]}
    for row in rows:
        store.delete([row.id])
        assert row.place not in store.stamps()
    assert store.count() == 0


def test_the_first_thumbnail_stays_and_none_leaves_it_alone(store: VectorStore) -> None:
    store.upsert([record("a", 1, thumbnail=b"first")])
    store.upsert([record("b", 1, thumbnail=b"second"), record("c", 1)])
    store.upsert([record("a", 1)])
    assert store.thumbnails([digest(1)]) == {digest(1): b"first"}


def test_maintain_deletes_only_thumbnails_that_no_row_of_any_embedder_needs(
    database: Database,
) -> None:
    old, new = database.vectors("old", DIM), database.vectors("new", DIM)
    old.upsert([record("a", 1, thumbnail=b"1"), record("b", 2, thumbnail=b"2")])
    old.upsert([record("c", 3, thumbnail=b"3"), record("copy of c", 3)])
    new.upsert([record("a", 1)])
    old.delete([record(name).id for name in "abc"])
    assert len(old.thumbnails(map(digest, (1, 2, 3)))) == 3
    new.maintain()
    assert old.thumbnails(list(map(digest, (1, 2, 3)))) == {digest(1): b"1", digest(3): b"3"}
    database.drop("new")
    database.drop("old")
    database.vectors("third", DIM).maintain()
    assert old.thumbnails(list(map(digest, (1, 2, 3)))) == {}


def test_embedders_do_not_see_each_others_rows(database: Database) -> None:
    one, two = database.vectors("a/b: 1", DIM), database.vectors("a/b: 2", DIM + 4)
    one.upsert([record("x", 1)])
    two.upsert([record("x", 1, vector=vector(1, DIM + 4)), record("y", vector=vector(2, DIM + 4))])
    assert (one.count(), two.count()) == (1, 2)
    assert (one.dim, two.dim) == (DIM, DIM + 4)
    database.drop("a/b: 2")
    database.drop("a/b: 2")
    database.drop("unknown")
    assert (one.count(), two.count()) == (1, 0)
    assert database.vectors("a/b: 2", DIM + 4).count() == 0
    assert database.vectors("a/b: 1", DIM).count() == 1


def test_the_catalogue_comes_back_as_written(database: Database) -> None:
    assert database.catalogue() is None
    first = Catalogue("id", "dinov2 'x'", building="other")
    second = Catalogue("id", "other")
    for catalogue in (first, second):
        database.write_catalogue(catalogue)
        assert database.catalogue() == catalogue
    assert second.building is None


def test_a_newer_format_is_refused_with_both_numbers(database: Database) -> None:
    database.write_catalogue(Catalogue("id", "x", format=FORMAT + 8))
    with pytest.raises(StoreError, match=f"format {FORMAT + 8}.* up to {FORMAT}"):
        database.catalogue()


def test_close_may_be_called_twice(database: Database) -> None:
    database.vectors("model", DIM).upsert([record("a")])
    database.close()
    database.close()
    assert database.address


@pytest.mark.slow
def test_rows_are_all_of_them_once_with_their_vectors(store: VectorStore) -> None:
    written = {r.id: r for r in (record(f"{n}.jpg", n, racy=n % 2 == 0) for n in range(2_500))}
    assert list(store.rows()) == []
    store.upsert(list(written.values()))

    pieces = list(store.rows())
    found = [row for piece in pieces for row in piece]

    assert len(found) == len({row.id for row in found}) == 2_500
    assert len(pieces) > 1 or len(written) <= len(pieces[0]) <= 5_000
    for row in found:
        origin = written[row.id]
        assert (row.place, row.stamp, row.digest, row.racy) == (
            origin.place, origin.stamp, origin.digest, origin.racy
        )  # fmt: skip
        assert np.array_equal(row.vector, origin.vector)


def test_thumbnails_may_come_before_their_rows(store: VectorStore) -> None:
    store.add_thumbnails({digest(1): b"first", digest(2): b"second"})
    store.add_thumbnails({digest(1): b"another"})
    assert store.thumbnails([digest(1), digest(2)]) == {digest(1): b"first", digest(2): b"second"}
    store.upsert([record("a", 1)])
    store.maintain()
    assert store.thumbnails([digest(1), digest(2)]) == {digest(1): b"first"}


def test_an_edition_is_written_beside_the_rows_that_answer(database: Database) -> None:
    first = database.vectors("model", DIM)
    first.upsert([record("old", 1)])
    database.write_catalogue(Catalogue("id", "model"))
    second = database.vectors("model", DIM, edition="ab12")
    second.upsert([record("new", 2)])
    assert paths(database.vectors("model"), "") == ["old"]
    assert {(h.embedder, h.rows, h.role) for h in database.holdings()} == {
        ("model", 1, "serving"),
        ("model", 1, "leftover"),
    }

    database.write_catalogue(Catalogue("id", "model", edition="ab12"))

    assert paths(database.vectors("model"), "") == ["new"]
    database.sweep()
    assert [(h.embedder, h.rows, h.role) for h in database.holdings()] == [("model", 1, "serving")]
    assert paths(database.vectors("model"), "") == ["new"]
    assert first.count() == 0


def test_a_sweep_spares_what_answers_and_what_is_being_built(database: Database) -> None:
    for name in ("old", "new", "forgotten"):
        database.vectors(name, DIM).upsert([record("x", 1)])
    database.sweep()
    assert len(database.holdings()) == 3, "without a catalogue nobody knows what is needed"
    database.write_catalogue(Catalogue("id", "old", "new"))
    database.sweep()
    assert {(h.embedder, h.role) for h in database.holdings()} == {
        ("old", "serving"),
        ("new", "building"),
    }
