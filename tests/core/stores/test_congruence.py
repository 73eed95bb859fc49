"""The same operations on memory and on any other store give the same answers."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.records import Place
from core.stores import Database, VectorStore
from core.stores.lance import LanceDatabase
from core.stores.memory import MemoryDatabase
from core.stores.weaviate import WeaviateDatabase
from tests.conftest import Weaviate
from tests.core.stores.helpers import DIM, contents, digest, open_database, record

names = st.sampled_from(
    ["a", "b", "a-", "a/", "A", "%", "_", "'", '"', "\\x0a", "🐈", "é", "0", "."]
)
path_texts = st.lists(st.text(min_size=0, max_size=1) | names, min_size=1, max_size=3).map(
    lambda parts: "/".join(part.strip("/") or "x" for part in parts)
).filter(lambda path: path.isprintable())  # fmt: skip
places = st.builds(Place, st.sampled_from(["pics", "other"]), path_texts)
seeds = st.integers(0, 5)
operations = st.one_of(
    st.tuples(
        st.just("upsert"),
        st.lists(st.tuples(places, seeds, st.booleans()), min_size=1, max_size=8),
    ),
    st.tuples(st.just("delete"), st.lists(places, max_size=4)),
    st.tuples(st.just("drop"), st.none()),
    st.tuples(st.just("maintain"), st.none()),
)


examples = settings(
    max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
steps = st.lists(operations, min_size=1, max_size=6)
scopes = st.lists(places | st.just(Place("pics", "")), max_size=3)


@pytest.mark.slow
@examples
@given(steps=steps, under=scopes)
def test_memory_and_lance_agree(steps: list[tuple[str, list]], under: list[Place]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        answers = compare(open_database("lance", Path(folder) / "x"), steps, under)
        # A reader keeps a copy in memory from the second question on: it must say the same.
        reader = LanceDatabase(Path(folder) / "x", writable=False).vectors("model")
        for _ in range(3):
            assert answers.of(reader) == answers.expected
        assert reader._snapshots is not None
        assert reader._snapshots._kept is not None


@pytest.mark.slow
@pytest.mark.weaviate
def test_memory_and_weaviate_agree(weaviate_server: Weaviate, weaviate_name: str) -> None:
    url = weaviate_server.url(weaviate_name)
    database = WeaviateDatabase(url, writable=True, api_key=weaviate_server.key)

    @settings(examples, max_examples=10)  # dropping and making a collection takes 0.3 s
    @given(steps=steps, under=scopes)
    def agree(steps: list[tuple[str, list]], under: list[Place]) -> None:
        compare(database, steps, under)
        database.drop("model")
        database.vectors("other", DIM).maintain()  # the thumbnails that are left

    try:
        agree()
    finally:
        database.close()


class Answers:
    """The questions, and what the memory store says to them."""

    def __init__(self, scope: list[Place], memory: VectorStore) -> None:
        self._scope = scope
        self.expected = self.of(memory)

    def of(self, store: VectorStore) -> object:
        return contents(store, [0, 1, 99], self._scope, [digest(seed) for seed in range(7)])


def compare(database: Database, steps: list[tuple[str, list]], under: list[Place]) -> Answers:
    """The same steps on it and on the memory store give the same answers."""
    databases = [MemoryDatabase(), database]
    stores = [each.vectors("model", DIM) for each in databases]
    used = {place for kind, given in steps if kind == "delete" for place in given}
    for kind, given_ in steps:
        for i, each in enumerate(databases):
            if kind == "upsert":
                stores[i].upsert([
                    record(p.path, s, root=p.root, racy=t, thumbnail=b"%d" % s if t else None)
                    for p, s, t in given_
                ])  # fmt: skip
            elif kind == "delete":
                stores[i].delete([place.id for place in given_])
            elif kind == "drop":
                each.drop("model")
                stores[i] = each.vectors("model", DIM)
            else:
                stores[i].maintain()
    answers = Answers([*under, *used], stores[0])
    assert answers.of(stores[1]) == answers.expected
    return answers
