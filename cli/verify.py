"""`lookalike verify`: compares index and disk by a way of its own, and changes nothing."""

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from cli.output import print_json, print_table, say
from core.bootstrap import NothingIndexed
from core.candidates import Candidates
from core.config import Config, load_config
from core.paths import path_bytes, path_text
from core.records import FileStamp, IndexedStamp, Place
from core.searcher import Searcher
from core.state import read_rejections
from daemon.holds import read_held

DIFFERENCES = ("missing", "stale", "orphaned", "held")


def verify(config_file: Path, *, content: bool, as_json: bool) -> int:
    """The exit code: 0 if index and disk are equal."""
    document = compare(load_config(config_file), content=content)
    unequal = any(document[kind] for kind in (*DIFFERENCES, "unreadable"))
    if as_json:
        print_json(document)
        return int(unequal)
    kinds = [k for k in (*DIFFERENCES, "rejected", "unreadable") if document[k]]
    rows = [
        [kind, f"{entry['root']}/{entry['path']}", entry.get("reason", "")]
        for kind in kinds
        for entry in document[kind]
    ]
    if rows:
        print_table(["", "file", "reason"], rows)
    verdict = "differ" if unequal else "are equal"
    say(f"{document['on_disk']} on disk, {document['indexed']} indexed: they {verdict}.")
    return int(unequal)


def compare(config: Config, *, content: bool) -> dict[str, Any]:
    """The JSON of DESIGN section 5."""
    folder = config.state / "daemon"
    rejections = read_rejections(folder)
    held = set(read_held(folder))
    indexed = _indexed(config)
    result: dict[str, Any] = {kind: [] for kind in (*DIFFERENCES, "rejected", "unreadable")}
    on_disk = 0
    seen: set[Place] = set()
    for place, outcome in _disk(config):
        if isinstance(outcome, str):
            result["unreadable"].append({**_entry(place), "reason": outcome})
            seen |= {row for row in indexed if place.covers(row)}
            continue
        on_disk += 1
        seen.add(place)
        row, rejection = indexed.get(place), rejections.get(place)
        if rejection and rejection.stamp == outcome:
            result["rejected"].append({**_entry(place), "reason": rejection.reason})
        elif row is None:
            result["missing"].append(_entry(place))
        elif _stale(config, place, row, outcome, content=content):
            result["stale"].append(_entry(place))
    for place in sorted(indexed.keys() - seen):
        result["held" if place in held else "orphaned"].append(_entry(place))
    return {"on_disk": on_disk, "indexed": len(indexed), **result}


def _indexed(config: Config) -> Mapping[Place, IndexedStamp]:
    with closing(Searcher(config)) as searcher:  # another index may take over meanwhile
        try:
            return searcher.stamps([Place(root, "") for root in config.roots])
        except NothingIndexed:
            return {}


def _disk(config: Config) -> Iterator[tuple[Place, FileStamp | str]]:
    """Every candidate with its stamp, and every folder that cannot be listed with the reason."""
    candidates = Candidates(config.ignore)
    for root, folder in config.roots.items():
        base = os.fsencode(folder)
        problems: list[OSError] = []
        for parent, folders, files in os.walk(base, onerror=problems.append):
            below = os.path.relpath(parent, base)
            prefix = b"" if below == b"." else below + b"/"
            folders[:] = [f for f in folders if not candidates.ignored(prefix + f, is_dir=True)]
            for name in files:
                relative = prefix + name
                if not candidates.wanted(relative):
                    continue
                place = Place(root, path_text(relative))
                try:
                    status = os.lstat(os.path.join(base, relative))
                except FileNotFoundError:
                    continue
                except OSError as error:
                    yield place, str(error.strerror)
                    continue
                if stat.S_ISREG(status.st_mode):
                    times = (status.st_mtime_ns, status.st_ctime_ns)
                    yield place, FileStamp(status.st_size, *times, status.st_ino)
        for problem in problems:
            below = os.path.relpath(os.fsencode(problem.filename), base)
            place = Place(root, "" if below == b"." else path_text(below))
            yield place, str(problem.strerror)


def _stale(
    config: Config, place: Place, row: IndexedStamp, stamp: FileStamp, *, content: bool
) -> bool:
    if (row.stamp.size_bytes, row.stamp.mtime_ns) != (stamp.size_bytes, stamp.mtime_ns):
        return True
    if not content:
        return False
    file = os.path.join(os.fsencode(config.roots[place.root]), path_bytes(place.path))
    try:
        with open(file, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() != row.digest
    except OSError:
        return True


def _entry(place: Place) -> dict[str, str]:
    return {"root": place.root, "path": place.path}
