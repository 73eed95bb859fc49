"""Records for store tests, and what two stores must agree on."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.records import FileStamp, ImageRecord, Place, Vector
from core.stores import Database, VectorStore
from core.stores.lance import LanceDatabase
from core.stores.memory import MemoryDatabase

DIM = 16


def open_database(kind: str, folder: Path) -> Database:
    """A writer's database of this kind."""
    return MemoryDatabase() if kind == "memory" else LanceDatabase(folder, writable=True)


def vector(seed: int, dim: int = DIM) -> Vector:
    """A unit vector that belongs to the seed."""
    drawn = np.random.default_rng(seed).standard_normal(dim).astype(np.float32)
    return drawn / np.float32(np.linalg.norm(drawn))


def digest(seed: int) -> str:
    """A digest that belongs to the seed."""
    return hashlib.sha256(str(seed).encode()).hexdigest()


def record(path: str, seed: int = 0, *, root: str = "pics", **changes: Any) -> ImageRecord:
    """A record of the file at root/path with the content `seed`."""
    fields: dict[str, Any] = {
        "place": Place(root, path),
        "stamp": FileStamp(seed, 10**18 + seed, 10**18, 7),
        "digest": digest(seed),
        "vector": vector(seed),
    }
    return ImageRecord(**(fields | changes))


def contents(
    store: VectorStore, queries: Sequence[int], under: Sequence[Place] | None, digests: list[str]
) -> dict[str, Any]:
    """Everything a store answers, in a form that can be compared."""
    rows = store.get([place.id for place in store.stamps()])
    return {
        "count": (store.count(), store.count(under)),
        "stamps": (dict(store.stamps()), dict(store.stamps(under))),
        "roots": store.roots(),
        "locate": (store.locate(digests), store.locate(digests, under)),
        "vectors": {d: v.tolist() for d, v in store.find_vectors(digests).items()},
        "thumbnails": store.thumbnails(digests),
        "rows": {
            i: (r.place, r.stamp, r.digest, r.racy, r.vector.tolist()) for i, r in rows.items()
        },
        "search": [
            store.search(vector(q), k, u)
            for q in queries
            for k in (1, 3, 50)
            for u in (None, under)
        ],
    }
