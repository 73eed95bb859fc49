"""The Weaviate store beside the embedded one, in one run: `python -m bench.weaviate --rows 100000`.

Uses the server of WEAVIATE_URL (and WEAVIATE_API_KEY), else starts one: the program in
WEAVIATE_BINARY, or `weaviate-server` on the PATH. Memory and disk are known of such a server only.
"""

import os
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from bench import by_rows
from bench.clustered import DIM, Numbers, Vectors, draw, exact, records
from bench.memory import status_mib
from bench.store_reads import measure_reads
from core.records import ImageRecord
from core.secrets import read_secret
from core.stores.lance import LanceDatabase
from core.stores.weaviate import WeaviateDatabase
from core.stores.weaviate_objects import to_object
from core.stores.weaviate_rows import WeaviateStore

if TYPE_CHECKING:
    from tests.weaviate_server import WeaviateServer

BATCH = 500
_RACED = 100_000
"""Rows that a bare insert_many writes as well: it would double the hour that a million takes, and
what we do besides weighs the most while the server's index is small."""
_TOLD_EVERY = 20_000
_PATIENCE_SECONDS = 600
_THUMBNAILS = 2_000
_THUMBNAIL_BYTES = 11_000


def measure(rows: int) -> dict[str, Any]:
    """All figures, in one run on this machine."""
    vectors, queries = draw(rows)
    truth = exact(vectors, queries)
    with tempfile.TemporaryDirectory(prefix="lookalike-bench-") as work:
        return {
            "rows": rows,
            "dim": DIM,
            "weaviate": _on_a_server(Path(work) / "server", vectors, queries, truth),
            "lance": _embedded(Path(work) / "lance", vectors, queries, truth),
        }


@dataclass
class Server:
    """Where one is, and its key."""

    url: str
    key: str | None
    ours: "WeaviateServer | None"
    """None where it is not ours to stop and look into."""


def _on_a_server(
    folder: Path, vectors: Vectors, queries: Vectors, truth: Numbers
) -> dict[str, Any]:
    with server(folder) as there:
        writer = partial(WeaviateDatabase, there.url, writable=True, api_key=there.key)
        with closing(writer()) as database:
            store, bare = (database.vectors(name, DIM) for name in ("bench", "bare"))
            raced, rest = vectors[:_RACED], vectors[_RACED:]
            ours, theirs = _seconds([store.upsert, partial(_insert_many, bare)], raced)
            database.drop("bare")
            (more,) = _seconds([store.upsert], rest, first=len(raced))
        figures: dict[str, Any] = {
            "version": database_version(there),
            "raced_rows": len(raced),
            "raced_upserts_per_second": len(raced) / ours,
            "raced_insert_many_per_second": len(raced) / theirs,
            "upserts_per_second": len(vectors) / (ours + more),
        }
        if there.ours:
            figures |= _restarted(there.ours)
        reader = partial(WeaviateDatabase, there.url, writable=False, api_key=there.key)
        figures |= measure_reads(reader, queries, truth)
        if there.ours and there.ours.process:
            pid = there.ours.process.pid
            figures["server_heap_mib"] = status_mib(pid, "RssAnon")
            figures["server_resident_mib"] = status_mib(pid, "VmRSS")
        with closing(writer()) as database:
            _write_thumbnails(database)
            if there.ours:
                there.ours.stop(_PATIENCE_SECONDS)
                disk = there.ours.disk_bytes("*thumbnails")
                figures["disk_bytes_a_thumbnail"] = disk / _THUMBNAILS
            else:
                for each in ("bench", "bare"):
                    database.drop(each)
    return figures


def _seconds(
    writers: list[Callable[[list[ImageRecord]], None]], vectors: Vectors, *, first: int = 0
) -> list[float]:
    """What it takes each of them to write all the rows, numbered from `first` on. They take turns:
    what else the machine does falls on all alike."""
    seconds = [0.0] * len(writers)
    for start in range(0, len(vectors), BATCH):
        some = records(vectors[start : start + BATCH], first + start)
        for row in some:
            _ = row.id  # cached: not a part of what is measured
        for turn in range(len(writers)):
            each = (start // BATCH + turn) % len(writers)
            begun = time.perf_counter()
            writers[each](some)
            seconds[each] += time.perf_counter() - begun
        if (done := start + len(some)) % _TOLD_EVERY == 0:
            rates = ", ".join(f"{done / each:.0f}/s" for each in seconds)
            print(f"{first + done:,} rows: {rates}", file=sys.stderr, flush=True)
    return seconds


def _insert_many(store: WeaviateStore, some: list[ImageRecord]) -> None:
    objects = [to_object(record) for record in some]
    result = store._collection.write(lambda rows: rows.data.insert_many(objects))
    assert not result.has_errors


def _restarted(ours: "WeaviateServer") -> dict[str, float]:
    """A server that has just started holds what it needs, and not what it needed to get there."""
    assert ours.process
    peak = status_mib(ours.process.pid, "VmHWM")
    ours.stop(_PATIENCE_SECONDS)
    disk = ours.disk_bytes()
    begun = time.perf_counter()
    ours.start(seconds=_PATIENCE_SECONDS)
    return {
        "server_peak_mib": peak,
        "disk_bytes": disk,
        "restart_seconds": time.perf_counter() - begun,
    }


def _write_thumbnails(database: WeaviateDatabase) -> None:
    # Of random bytes: JPEG files cannot be compressed further either.
    database._thumbnails.write(
        {uuid.uuid4().hex * 2: os.urandom(_THUMBNAIL_BYTES) for _ in range(_THUMBNAILS)}
    )


def _embedded(folder: Path, vectors: Vectors, queries: Vectors, truth: Numbers) -> dict[str, Any]:
    with closing(LanceDatabase(folder, writable=True)) as database:
        store = database.vectors("bench", DIM)
        (upserts_seconds,) = _seconds([store.upsert], vectors)
        begun = time.perf_counter()
        store.maintain()
        seconds = time.perf_counter() - begun
    figures = measure_reads(partial(LanceDatabase, folder, writable=False), queries, truth)
    disk = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return {
        "upserts_per_second": len(vectors) / upserts_seconds,
        "build_index_seconds": seconds,
        "disk_bytes": disk,
        **figures,
    }


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    """One that is there, or ours for a while."""
    name = f"Bench{uuid.uuid4().hex[:12]}"
    if given := os.environ.get("WEAVIATE_URL"):
        head, _, query = given.partition("?")
        host = "/".join(head.split("/")[:3])
        yield Server(f"{host}/{name}?{query}".rstrip("?"), read_secret("WEAVIATE_API_KEY"), None)
        return
    from tests.weaviate_server import PROGRAM, WRITER_KEY, WeaviateServer

    if not PROGRAM:
        sys.exit("Set WEAVIATE_URL or WEAVIATE_BINARY, or put weaviate-server on the PATH.")
    started = WeaviateServer(folder, QUERY_MAXIMUM_RESULTS="10000")
    started.start()
    try:
        yield Server(started.url(name), WRITER_KEY, started)
    finally:
        started.stop(_PATIENCE_SECONDS)


def database_version(there: Server) -> str:
    """What the server says it is."""
    from core.stores.weaviate_servers import WeaviateServers
    from core.stores.weaviate_url import parse_weaviate_url

    with closing(WeaviateServers(parse_weaviate_url(there.url), there.key)) as servers:
        return str(servers.read(lambda client: client.get_meta()["version"]))


def _show(figures: dict[str, Any]) -> None:
    weaviate, lance, rows = figures["weaviate"], figures["lance"], figures["rows"]
    table = Table(title=f"{rows:,} rows of {DIM} numbers, {os.cpu_count()} cores")
    for column in ("", f"Weaviate {weaviate['version']}", "LanceDB"):
        table.add_column(column, justify="right" if column else "left")
    bare, upserts = (weaviate[f"raced_{of}_per_second"] for of in ("insert_many", "upserts"))
    raced = f"the first {weaviate['raced_rows']:,} rows"
    table.add_row(f"bare insert_many/s, {raced}", f"{bare:.0f}", "")
    table.add_row("  upserts/s, taking turns", f"{upserts:.0f} ({upserts / bare:.2f} x)", "")
    for key, name, form, scale in (
        ("upserts_per_second", "upserts/s", ".0f", 1),
        ("build_index_seconds", "building the vector index, s", ".0f", 1),
        ("stamps_seconds", "stamps(), s", ".2f", 1),
        ("search_p50_ms", "search p50, ms", ".1f", 1),
        ("search_p95_ms", "search p95, ms", ".1f", 1),
        ("recall_at_10", "recall@10", ".4f", 1),
        ("server_heap_mib", "server, MiB of its own", ".0f", 1),
        ("server_resident_mib", "  with mapped files", ".0f", 1),
        ("server_peak_mib", "  at its peak", ".0f", 1),
        ("client_searching_mib", "client that searches, MiB", ".0f", 1),
        ("client_with_stamps_mib", "  with all stamps in memory", ".0f", 1),
        ("disk_bytes", "disk a row, bytes", ".0f", rows),
        ("disk_bytes_a_thumbnail", f"  a thumbnail of {_THUMBNAIL_BYTES:,}", ".0f", 1),
        ("restart_seconds", "start of the server, s", ".1f", 1),
    ):
        cells = (f"{of[key] / scale:{form}}" if key in of else "" for of in (weaviate, lance))
        table.add_row(name, *cells)
    Console().print(table)


if __name__ == "__main__":
    by_rows.run(__doc__, measure, _show)
