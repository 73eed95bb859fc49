"""The same operations on memory and Lance give the same answers."""

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.records import Place
from core.stores.lance import LanceDatabase
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


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(
    steps=st.lists(operations, min_size=1, max_size=6),
    under=st.lists(places | st.just(Place("pics", "")), max_size=3),
)
def test_memory_and_lance_agree(steps: list[tuple[str, list]], under: list[Place]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        databases = [open_database(kind, Path(folder) / "x") for kind in ("memory", "lance")]
        stores = [database.vectors("model", DIM) for database in databases]
        used = {place for kind, given in steps if kind == "delete" for place in given}
        for kind, given_ in steps:
            for i, database in enumerate(databases):
                if kind == "upsert":
                    stores[i].upsert([
                        record(p.path, s, root=p.root, racy=t, thumbnail=b"%d" % s if t else None)
                        for p, s, t in given_
                    ])  # fmt: skip
                elif kind == "delete":
                    stores[i].delete([place.id for place in given_])
                elif kind == "drop":
                    database.drop("model")
                    stores[i] = database.vectors("model", DIM)
                else:
                    stores[i].maintain()
        scope = [*under, *used]
        digests = [digest(seed) for seed in range(7)]
        memory, lance = (contents(store, [0, 1, 99], scope, digests) for store in stores)
        assert lance == memory
        # A reader keeps a copy in memory from the second question on: it must say the same.
        reader = LanceDatabase(Path(folder) / "x", writable=False).vectors("model")
        for _ in range(3):
            assert contents(reader, [0, 1, 99], scope, digests) == memory
        assert reader._snapshots is not None
        assert reader._snapshots._kept is not None
