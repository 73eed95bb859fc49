"""Processes for test_lance.py: `python -m tests.core.stores.lance_processes ROLE FOLDER`."""

import sys
import threading
from itertools import count
from pathlib import Path

from core.records import Place
from core.stores.lance import LanceDatabase
from tests.core.stores.helpers import DIM, digest, record, vector


def write(folder: Path, start: int) -> None:
    """Write a few rows again and again; print each batch's last number once it is acknowledged."""
    database = LanceDatabase(folder, writable=True, index_from=300)
    store = database.vectors("model", DIM)
    for batch in count(start):
        numbers = range(batch * 8, batch * 8 + 8)
        store.upsert([record(str(n), n, thumbnail=b"%d" % n) for n in numbers])
        print(batch, flush=True)  # noqa: T201
        if batch % 10 == 9:
            store.upsert([record(str(n), n) for n in numbers])
            store.delete([Place("pics", f"gone {n}").id for n in numbers])
            store.maintain()
        store.upsert([record(f"gone {batch % 7}", batch)])


def read(folder: Path) -> None:
    """Read until stdin ends; print how often, or fail."""
    store = LanceDatabase(folder, writable=False).vectors("model", DIM)
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    print("ready", flush=True)  # noqa: T201
    rounds = 0
    while not stop.is_set():
        store.search(vector(rounds), 10)
        store.search(vector(rounds), 10, [Place("pics", "")])
        store.stamps()
        store.thumbnails([digest(rounds % 100)])
        store.find_vectors([digest(1)])
        rounds += 1
    print(rounds)  # noqa: T201


if __name__ == "__main__":
    role, where, *rest = sys.argv[1:]
    if role == "write":
        write(Path(where), int(rest[0]))
    else:
        read(Path(where))
