"""The Weaviate store beside the embedded one, in one run: `python -m bench.weaviate --rows 100000`.

Uses the server of WEAVIATE_URL (and WEAVIATE_API_KEY), else starts one: the program in
WEAVIATE_BINARY, or `weaviate-server` on the PATH.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from core.config import read_secret
from core.records import FileStamp, ImageRecord, Place
from core.stores import Database, VectorStore
from core.stores.lance import LanceDatabase
from core.stores.weaviate import WeaviateDatabase
from core.stores.weaviate_objects import to_object
from core.stores.weaviate_rows import WeaviateStore

DIM = 384
CLUSTERS = 1_000
SPREAD = 0.7
"""Distance of rows from the middle of their cluster, in lengths of the middle's vector: about as
pictures of one class lie in the space of DINOv2."""
BATCH = 500
K = 10
QUERIES = 300
UNDER = [Place("bench", "")]
"""As every search of ours: at and below the configured roots."""

Vectors = NDArray[np.float32]


def main() -> None:
    """Print the table; with --json, one document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = measure(arguments.rows)
    if arguments.json:
        print(json.dumps(figures))
    else:
        _show(figures)


def measure(rows: int) -> dict[str, Any]:
    """All figures, in one run on this machine."""
    vectors, queries = draw(rows)
    truth = [np.argsort(-(vectors @ query))[:K] for query in queries]
    figures: dict[str, Any] = {"rows": rows, "dim": DIM}
    with tempfile.TemporaryDirectory(prefix="lookalike-bench-") as work:
        with server(Path(work) / "server") as (url, key, pid):
            database = WeaviateDatabase(url, writable=True, api_key=key)
            with closing(database):
                store = database.vectors("bench", DIM)
                bare = database.vectors("bare", DIM)
                # Interleaved: what else the machine does falls on both alike.
                figures["upserts_per_second"], figures["bare_insert_many_per_second"] = _race(
                    [store.upsert, lambda some: _insert_many(bare, some)],
                    vectors,
                )
                database.drop("bare")
                figures["weaviate"] = _read(store, queries, truth)
                figures["server_mib"] = _mib(pid) if pid else None
                database.drop("bench")
        figures["client_mib"] = _mib(os.getpid())
        figures["client_peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        with closing(LanceDatabase(Path(work) / "lance", writable=True)) as lance:
            figures["lance"] = _embedded(lance, vectors, queries, truth)
    return figures


def draw(rows: int) -> tuple[Vectors, Vectors]:
    """Clustered rows, and queries from the same clusters that are none of the rows."""
    generator = np.random.default_rng(1)
    middles = _unit(generator.standard_normal((CLUSTERS, DIM)).astype(np.float32))

    def some(count: int) -> Vectors:
        noise = generator.standard_normal((count, DIM)).astype(np.float32) * SPREAD / DIM**0.5
        return _unit(middles[generator.integers(0, CLUSTERS, count)] + noise)

    return some(rows), some(QUERIES)


def records(vectors: Vectors, first: int) -> list[ImageRecord]:
    """Rows as the daemon writes them, without thumbnails."""
    return [
        ImageRecord(
            Place("bench", f"folder {number % 200}/picture {number}.jpg"),
            FileStamp(1_000_000 + number, 10**18 + number, 10**18, number),
            uuid.uuid5(uuid.NAMESPACE_OID, str(number)).hex * 2,
            vector,
        )
        for number, vector in enumerate(vectors, first)
    ]


def _race(writers: list[Callable[[list[ImageRecord]], None]], vectors: Vectors) -> list[float]:
    seconds = [0.0] * len(writers)
    for first in range(0, len(vectors), BATCH):
        some = records(vectors[first : first + BATCH], first)
        for row in some:
            _ = row.id  # cached: not a part of what is measured
        for turn in range(len(writers)):
            each = (first // BATCH + turn) % len(writers)
            begun = time.perf_counter()
            writers[each](some)
            seconds[each] += time.perf_counter() - begun
    return [len(vectors) / each for each in seconds]


def _insert_many(store: WeaviateStore, some: list[ImageRecord]) -> None:
    objects = [to_object(record) for record in some]
    result = store._collection.write(lambda rows: rows.data.insert_many(objects))
    assert not result.has_errors


def _read(store: VectorStore, queries: Vectors, truth: list[NDArray[np.intp]]) -> dict[str, float]:
    begun = time.perf_counter()
    count = len(store.stamps())
    stamps_seconds = time.perf_counter() - begun
    assert count == store.count()
    for query in queries[:20]:
        store.search(query, K, UNDER)
    seconds, found = [], 0
    for query, best in zip(queries, truth, strict=True):
        begun = time.perf_counter()
        hits = store.search(query, K, UNDER)
        seconds.append(time.perf_counter() - begun)
        numbers = {int(hit.place.path.rpartition(" ")[2].removesuffix(".jpg")) for hit in hits}
        found += len(numbers & set(best.tolist()))
    return {
        "stamps_seconds": stamps_seconds,
        "search_p50_ms": statistics.median(seconds) * 1000,
        "search_p95_ms": statistics.quantiles(seconds, n=20)[-1] * 1000,
        "recall_at_10": found / (K * len(queries)),
    }


def _embedded(
    database: Database, vectors: Vectors, queries: Vectors, truth: list[NDArray[np.intp]]
) -> dict[str, float]:
    store = database.vectors("bench", DIM)
    (rate,) = _race([store.upsert], vectors)
    store.maintain()
    return {"upserts_per_second": rate, **_read(store, queries, truth)}


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, str | None, int | None]]:
    """URL and key of a server, and its process if it is ours."""
    name = f"Bench{uuid.uuid4().hex[:12]}"
    if given := os.environ.get("WEAVIATE_URL"):
        head, _, query = given.partition("?")
        host = "/".join(head.split("/")[:3])
        yield f"{host}/{name}?{query}".rstrip("?"), read_secret("WEAVIATE_API_KEY"), None
        return
    from tests.weaviate_server import PROGRAM, WRITER_KEY, WeaviateServer

    if not PROGRAM:
        sys.exit("Set WEAVIATE_URL or WEAVIATE_BINARY, or put weaviate-server on the PATH.")
    started = WeaviateServer(folder, QUERY_MAXIMUM_RESULTS="10000")
    started.start()
    assert started.process
    try:
        yield started.url(name), WRITER_KEY, started.process.pid
    finally:
        started.stop()


def _mib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) // 1024


def _unit(vectors: Vectors) -> Vectors:
    lengths: Vectors = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / lengths


def _show(figures: dict[str, Any]) -> None:
    table = Table(title=f"{figures['rows']:,} rows of {DIM} numbers")
    for column in ("", "Weaviate", "LanceDB"):
        table.add_column(column, justify="right" if column else "left")
    weaviate, lance = figures["weaviate"], figures["lance"]
    bare = figures["bare_insert_many_per_second"]
    upserts = figures["upserts_per_second"]
    table.add_row("upserts/s", f"{upserts:.0f}", f"{lance['upserts_per_second']:.0f}")
    table.add_row("bare insert_many/s", f"{bare:.0f} (ours: {upserts / bare:.2f})", "")
    for key, name, form in (
        ("stamps_seconds", "stamps(), s", ".2f"),
        ("search_p50_ms", "search p50, ms", ".1f"),
        ("search_p95_ms", "search p95, ms", ".1f"),
        ("recall_at_10", "recall@10", ".4f"),
    ):
        table.add_row(name, f"{weaviate[key]:{form}}", f"{lance[key]:{form}}")
    table.add_row("server, MiB resident", str(figures["server_mib"] or "not ours"), "none")
    table.add_row("client, MiB resident", f"{figures['client_mib']}", "")
    Console().print(table)


if __name__ == "__main__":
    main()
