"""Does a daemon run, and does it still work?"""

import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from cli.doctor.facts import Facts
from cli.doctor.findings import Finding, from_error, note, ok, problem
from cli.doctor.people import me
from cli.doctor.quantities import lasting
from core.errors import AppError
from core.files import read_json
from core.state import read_status
from daemon.control import is_listening
from daemon.mounts import MountTable, holding

_START = "Start it: lookalike up, or the service that runs it."
_GONE_AT_RESTART = {"tmpfs", "ramfs"}


def check(facts: Facts) -> Iterator[Finding]:
    """The daemon, and the disks of its folders."""
    yield from _daemon(facts.config.state / "daemon")
    folders = {"state": facts.config.state}
    if store := facts.config.store_path:
        folders["index"] = store
    yield from _disks(folders)


def _daemon(folder: Path) -> Iterator[Finding]:
    file = folder / "status.json"
    status, document = read_status(folder), read_json(file)
    try:
        listening = is_listening(folder / "control.sock")
    except AppError as error:
        if status is None or status.state == "stopped":
            yield from_error(error, f"Run doctor as the daemon's user, not as {me()}.")
            return
        listening = True  # another user's
    if status is None or not isinstance(document, dict):
        yield from _without_words(file, listening=listening)
        return
    silent = lasting(max(0.0, time.time() - document["updated"]))
    pid = document["pid"]
    if listening and status.state != "stopped":
        yield ok(f"The daemon runs as process {pid} and says: {status.state}.")
        yield from map(_known_to_it, status.problems)
    elif listening and document["state"] != "stopped":
        yield problem(
            f"The daemon, process {pid}, is there but has said nothing for {silent}.",
            f"Look at its log, then end it and start it anew: kill -KILL {pid}",
        )
    else:
        yield note(f"No daemon runs; the last one was heard of {silent} ago.", _START)


def _without_words(file: Path, *, listening: bool) -> Iterator[Finding]:
    if listening:
        yield problem(f"A daemon runs, but {file} cannot be read.", "Look at the daemon's log.")
    elif os.path.lexists(file):
        yield note(f"{file} cannot be read or is damaged, and no daemon runs.", _START)
    else:
        yield note("No daemon has run here yet.", _START)


def _known_to_it(sentence: str) -> Finding:
    told = from_error(AppError(sentence), "Look at lookalike status and at the daemon's log.")
    return note(f"The daemon says: {told.found}", told.do or "")


def _disks(folders: dict[str, Path]) -> Iterator[Finding]:
    try:
        with closing(MountTable()) as table:
            mounts = table.read()
    except OSError:  # no /proc
        return
    kinds = {}
    for what, folder in folders.items():
        if (mount := holding(mounts, os.fsencode(folder.resolve()))) is None:
            continue
        kinds[what] = mount
        if mount.shared:
            yield note(
                f"The {what} in {folder} is on {mount.kind}, where locks and sockets may not hold "
                "between machines, and every write travels.",
                "Put it on a disk of this machine.",
            )
        elif mount.kind in _GONE_AT_RESTART:
            yield note(
                f"The {what} in {folder} is on {mount.kind}: it is gone when the machine restarts.",
                "Put it on a disk, unless that is meant.",
            )
    if len(kinds) == len(folders) and not any(
        mount.shared or mount.kind in _GONE_AT_RESTART for mount in kinds.values()
    ):
        one = len({mount.id for mount in kinds.values()}) == 1
        yield ok(
            f"{' and '.join(kinds).capitalize()} are on {'one disk' if one else 'disks'} of this "
            "machine."
        )
