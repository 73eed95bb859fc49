"""What searching and listing cost a process that does nothing else."""

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing

from bench.clustered import K, Numbers, Vectors, number_of
from bench.memory import status_mib
from core.records import Place
from core.stores import Database

_WARM_UP = 20
_UNDER = [Place("bench", "")]
"""As every search of ours: at and below the configured roots."""


def measure_reads(
    open_database: Callable[[], Database], queries: Vectors, truth: Numbers
) -> dict[str, float]:
    """Figures of the rows of the embedder "bench", from a process of their own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(_read, open_database, queries, truth).result()


def _read(
    open_database: Callable[[], Database], queries: Vectors, truth: Numbers
) -> dict[str, float]:
    with closing(open_database()) as database:
        store = database.vectors("bench")
        for query in queries[:_WARM_UP]:
            store.search(query, K, _UNDER)
        seconds, found = [], 0
        for query, best in zip(queries, truth, strict=True):
            begun = time.perf_counter()
            hits = store.search(query, K, _UNDER)
            seconds.append(time.perf_counter() - begun)
            found += len({number_of(hit.place) for hit in hits} & set(best.tolist()))
        searching_mib = status_mib(os.getpid(), "VmRSS")
        begun = time.perf_counter()
        stamps = store.stamps()
        stamps_seconds = time.perf_counter() - begun
        assert len(stamps) == store.count()
        return {
            "search_p50_ms": statistics.median(seconds) * 1000,
            "search_p95_ms": statistics.quantiles(seconds, n=20)[-1] * 1000,
            "recall_at_10": found / (K * len(queries)),
            "stamps_seconds": stamps_seconds,
            "client_searching_mib": searching_mib,
            "client_with_stamps_mib": status_mib(os.getpid(), "VmRSS"),
        }
