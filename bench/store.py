"""The embedded store beside numpy's exact search, in one run: `python -m bench.store --rows N`."""

import multiprocessing
import os
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from bench import by_rows
from bench.clustered import DIM, K, Vectors, draw, exact, records
from bench.store_reads import measure_reads
from core.errors import StoreError
from core.records import Place
from core.stores.lance import LanceDatabase

BATCH = 5_000
"""Rows a write: larger than the daemon's 256, so that a million rows take minutes, not an hour."""
_UNDER = [Place("bench", "")]


def measure(rows: int) -> dict[str, Any]:
    """All figures of so many rows, in one run on this machine."""
    vectors, queries = draw(rows)
    truth = exact(vectors, queries)
    numpy_ms = _numpy_ms(vectors, queries)
    with tempfile.TemporaryDirectory(prefix="lookalike-bench-") as work:
        folder = Path(work)
        with closing(LanceDatabase(folder, writable=True)) as database:
            store = database.vectors("bench", DIM)
            begun = time.perf_counter()
            for first in range(0, rows, BATCH):
                store.upsert(records(vectors[first : first + BATCH], first))
            written = time.perf_counter() - begun
            del vectors
            store.maintain()
            built = time.perf_counter() - begun - written
        reads = measure_reads(partial(LanceDatabase, folder, writable=False), queries, truth)
        return {
            "rows": rows,
            "dim": DIM,
            "cores": os.cpu_count(),
            "numpy_p50_ms": numpy_ms,
            "write_seconds": written,
            "build_index_seconds": built,
            "disk_bytes": sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()),
            **reads,
            **_while_rebuilt(folder, queries),
        }


def _numpy_ms(vectors: Vectors, queries: Vectors) -> float:
    seconds = []
    for query in queries[:30]:
        begun = time.perf_counter()
        np.argpartition(vectors @ query, -K)
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds) * 1000


def _while_rebuilt(folder: Path, queries: Vectors) -> dict[str, float]:
    """A reader in a process of its own searches on while the index is made anew."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as process, context.Manager() as manager:
        begun_reading, done = manager.Event(), manager.Event()
        reading = process.submit(_search_until, folder, queries, begun_reading, done)
        begun_reading.wait()
        with closing(LanceDatabase(folder, writable=True)) as database:
            begun = time.perf_counter()
            database.vectors("bench", DIM).rebuild_index()
            seconds = time.perf_counter() - begun
        done.set()
        return {"rebuild_seconds": seconds, **reading.result()}


def _search_until(
    folder: Path, queries: Vectors, begun_reading: Any, done: Any
) -> dict[str, float]:
    seconds: list[float] = []
    errors = 0
    with closing(LanceDatabase(folder, writable=False)) as database:
        store = database.vectors("bench")
        store.search(queries[0], K, _UNDER)
        begun_reading.set()
        while len(seconds) < K or not done.is_set():
            for query in queries[:10]:
                begun = time.perf_counter()
                try:
                    store.search(query, K, _UNDER)
                except StoreError:
                    errors += 1
                seconds.append(time.perf_counter() - begun)
    return {
        "rebuild_reads": len(seconds),
        "rebuild_errors": errors,
        "rebuild_p95_ms": statistics.quantiles(seconds, n=20)[-1] * 1000,
    }


def show(figures: dict[str, Any]) -> None:
    """As a table."""
    table = Table(title=f"{figures['rows']:,} rows of {DIM} numbers, {figures['cores']} cores")
    table.add_column("embedded store")
    table.add_column("figure", justify="right")
    for key, name, form in (
        ("search_p50_ms", "search p50, ms", ".1f"),
        ("search_p95_ms", "search p95, ms", ".1f"),
        ("numpy_p50_ms", "numpy, exact, p50, ms", ".1f"),
        ("recall_at_10", "recall@10", ".4f"),
        ("build_index_seconds", "index and compaction, s", ".0f"),
        ("rebuild_seconds", "index made anew beside a reader, s", ".0f"),
        ("rebuild_reads", "  searches meanwhile", ".0f"),
        ("rebuild_errors", "  of them failed", ".0f"),
        ("rebuild_p95_ms", "  p95, ms", ".1f"),
        ("client_searching_mib", "process that searches, MiB", ".0f"),
    ):
        table.add_row(name, f"{figures[key]:{form}}")
    table.add_row("disk a row, bytes", f"{figures['disk_bytes'] / figures['rows']:.0f}")
    Console().print(table)


if __name__ == "__main__":
    by_rows.run(__doc__, measure, show)
