"""The stamps of a large table are the same mapping, packed."""

from pathlib import Path
from unittest import mock

import pytest

from core.records import Place
from core.stores.lance import LanceDatabase
from core.stores.lance_stamps import PackedStamps
from core.stores.stamps import by_folder
from tests.core.stores.helpers import DIM, record

PATHS = [
    "1.jpg",
    "2.jpg",
    "a/1.jpg",
    "a/é.jpg",
    "a/b/1.jpg",
    "a/b c/1.jpg",
    "ab/1.jpg",
    "z/\\xff/1",
]


@pytest.fixture
def packed(tmp_path: Path) -> PackedStamps:
    database = LanceDatabase(tmp_path, writable=True)
    store = database.vectors("model", DIM)
    for seed, path in enumerate(PATHS):  # a fragment each, and two roots that begin alike
        store.upsert([record(path, seed, root="r"), record(path, seed, root="ra", racy=True)])
    with mock.patch("core.stores.lance_rows._MOST_UNPACKED", 0):
        stamps = store.stamps([Place("r", ""), Place("ra", "a")])
    assert isinstance(stamps, PackedStamps)
    assert dict(stamps) == store.stamps([Place("r", ""), Place("ra", "a")])
    database.close()
    return stamps


def test_it_is_a_mapping(packed: PackedStamps) -> None:
    assert len(packed) == len(list(packed)) == len(PATHS) + 4
    assert packed[Place("ra", "a/1.jpg")].racy
    assert Place("ra", "1.jpg") not in packed
    assert packed.get(Place("r", "nowhere/1.jpg")) is None


def test_it_knows_its_folders(packed: PackedStamps) -> None:
    grouped = by_folder(dict(packed))
    assert set(packed.folders()) == set(grouped.folders())
    for folder in packed.folders():
        assert packed.inside(folder) == grouped.inside(folder)
        assert packed.numbers(folder) == grouped.numbers(folder)
    assert packed.inside(Place("r", "nowhere")) == {}
