"""Will disk and memory do for the whole tree?"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from cli.doctor.facts import Facts
from cli.doctor.findings import Finding, note, ok, problem
from cli.doctor.quantities import count, size
from core.stores.weaviate_url import parse_weaviate_url

# Measured with 384 numbers a vector, docs/weaviate.md: a row of the embedded store while a million
# are being written, before old versions of the table are cleaned up; a row on a server.
_DIM = 384
_LANCE_ROW_BYTES = 16_441
_WEAVIATE_ROW_BYTES = 3_548
_WEAVIATE_THUMBNAIL_FACTOR = 15 / 11
_WEAVIATE_MEMORY_BYTES = 2 * 1_444
_THUMBNAIL_BYTES = 11_000
"""Where no picture could be tried."""
_BLOCK_BYTES = 4096

# docs/architecture.md: stamps in memory, and a process that decodes.
_STAMP_BYTES = 400
_DECODER_BYTES = 45_000_000
_NOTES_BYTES = 1 << 30
"""The most that vectors and thumbnails of deleted rows take in the state folder."""


def check(facts: Facts) -> Iterator[Finding]:
    """Of what every picture needs, less what is there already."""
    if facts.dim is None or not facts.trees:
        yield note(
            "Without model and roots nothing can be foretold.", "Mend those first and look again."
        )
        return
    known = facts.stored is not None and facts.stored.embedder == facts.embedder
    indexed = facts.stored.rows if facts.stored and known else 0
    missing = max(0, facts.pictures - indexed)
    yield from _disk(facts, facts.dim, missing)
    yield _memory(facts)


def _disk(facts: Facts, dim: int, missing: int) -> Iterator[Finding]:
    thumbnail = facts.pace.thumbnail_bytes if facts.pace else None
    thumbnail = thumbnail or _THUMBNAIL_BYTES
    store = facts.config.store_path
    what = count(missing, "picture")
    if store is None:
        yield _on_server(facts, dim, thumbnail)
    else:
        blocks = -(-thumbnail // _BLOCK_BYTES) * _BLOCK_BYTES
        need = missing * (_LANCE_ROW_BYTES * dim / _DIM + blocks)
        yield _room(f"{what} to be indexed need", need, store, "store")
    state = facts.config.state
    yield _room("Notes on what was deleted take up to", _NOTES_BYTES, state, "state", spare=True)


def _on_server(facts: Facts, dim: int, thumbnail: float) -> Finding:
    row = _WEAVIATE_ROW_BYTES * dim / _DIM + thumbnail * _WEAVIATE_THUMBNAIL_FACTOR
    memory = _WEAVIATE_MEMORY_BYTES * dim / _DIM
    return ok(
        f"{count(facts.pictures, 'picture')} need {size(facts.pictures * row)} of disk and "
        f"{size(facts.pictures * memory)} of memory on {parse_weaviate_url(facts.config.store)}, "
        "which cannot be looked at from here."
    )


def _room(what: str, need: float, folder: Path, setting: str, *, spare: bool = False) -> Finding:
    existing = next(each for each in [folder, *folder.parents] if each.exists())
    free = shutil.disk_usage(existing).free
    found = f"{what} {size(need)} in {folder}; {size(free)} are free there."
    do = f"Free some space, or name a folder on a larger disk under {setting}."
    if need <= free:
        return ok(found)
    return note(found, do) if spare else problem(found, do)


def _memory(facts: Facts) -> Finding:
    if facts.process_bytes is None:
        return ok("How much memory there is cannot be found out on this system.")
    bot = bool(os.environ.get("DISCORD_TOKEN") or os.environ.get("DISCORD_TOKEN_FILE"))
    parts = ["daemon", "page", *(["bot"] if bot else [])]
    cores = len(os.sched_getaffinity(0))
    need = len(parts) * facts.process_bytes + facts.pictures * _STAMP_BYTES + cores * _DECODER_BYTES
    total, available = _memory_bytes()
    found = (
        f"{', '.join(parts[:-1])} and {parts[-1]} need about {size(need)} of memory; "
        f"{size(available)} of {size(total)} are free."
    )
    do = "Give the machine more memory, choose a smaller model.name, or run fewer parts here."
    if need > total:
        return problem(found, do)
    return note(found, do) if need > available and not _runs(facts) else ok(found)


def _runs(facts: Facts) -> bool:
    """A daemon that runs has taken its memory already."""
    from core.state import read_status

    status = read_status(facts.config.state / "daemon")
    return status is not None and status.state != "stopped"


def _memory_bytes() -> tuple[int, int]:
    """All there is for us, and what of it is free: of the machine or, if less, of the container."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    known = {line.partition(":")[0]: int(line.split()[1]) * 1024 for line in lines}
    total, available = known["MemTotal"], known["MemAvailable"]
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text(encoding="ascii"))
        used = int((group / "memory.current").read_text(encoding="ascii"))
    except (OSError, ValueError):  # no container, or one without a limit
        return total, available
    return min(total, limit), min(available, max(0, limit - used))
