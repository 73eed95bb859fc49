"""May the daemon write where it keeps its index and its notes, and nobody else?"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from cli.doctor.facts import Facts
from cli.doctor.findings import Finding, note, ok, problem
from cli.doctor.people import me, name_of, owner
from cli.doctor.quantities import count
from core.files import read_json
from core.state import read_status

_OURS = ("lock", "daemon.lock", "status.json", "roots.json")
"""Files that are opened for writing, or whose owner tells who ran before."""


def check(facts: Facts) -> Iterator[Finding]:
    """State, store, and who we are."""
    state, store = facts.config.state, facts.config.store_path
    writer = _running_writer(state)
    for what, setting, folder in [("state", "state", state), ("index", "store", store)]:
        if folder is not None:
            yield _writable(what, setting, folder, writer)
    if os.geteuid() == 0:
        yield note(
            "This is run as root, which Lookalike does not need: what it writes will be root's.",
            "Run it as a user of its own, who may read the roots and write state and store.",
        )


def _running_writer(state: Path) -> int | None:
    """The user of a daemon that runs, and so may write."""
    status = read_status(state / "daemon")
    if status is None or status.state == "stopped":
        return None
    try:
        return Path(f"/proc/{read_json(state / 'daemon' / 'status.json')['pid']}").stat().st_uid
    except (OSError, KeyError, TypeError):
        return None


def _writable(what: str, setting: str, folder: Path, writer: int | None) -> Finding:
    if writer is not None and writer != os.geteuid():
        return ok(f"The {what} in {folder} is written by the running daemon's {name_of(writer)}.")
    nearest = _nearest(folder)
    if nearest.exists() and not nearest.is_dir():
        return problem(f"{nearest} is no folder.", f"Name a folder under {setting}.")
    if not os.access(nearest, os.W_OK | os.X_OK):
        return _shut(what, setting, nearest)
    if nearest != folder:
        return ok(f"The {what} will be made in {folder}; {me()} may do that.")
    others = _not_ours(folder)
    if others:
        return problem(
            f"{count(len(others), 'place')} of the {what} may not be written by {me()}, the first "
            f"of them {others[0]} of {owner(others[0])}.",
            f"As root: chown -R {me()} {folder}; and run all commands as one user.",
        )
    mode = folder.stat().st_mode
    if mode & stat.S_IWOTH:
        return note(
            f"The {what} in {folder} may be written by everybody.",
            f"Take that right away: chmod o-w {folder}",
        )
    shared = f" and the group {folder.group()}" if mode & stat.S_IWGRP else ""
    return ok(f"The {what} in {folder} may be written by {owner(folder)}{shared}.")


def _shut(what: str, setting: str, folder: Path) -> Finding:
    if _read_only(folder):
        return problem(
            f"The {what} cannot be written: {folder} is on a disk that is mounted read-only.",
            f"Mount it writable, or name another folder under {setting}.",
        )
    return problem(
        f"The {what} cannot be written by {me()}: {folder} belongs to {owner(folder)}.",
        f"As root: chown -R {me()} {folder}; or run the daemon as {owner(folder)}.",
    )


def _read_only(folder: Path) -> bool:
    try:
        return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest above it that exists."""
    for each in [folder, *folder.parents]:
        if os.path.lexists(each):
            return each
    return folder


def _not_ours(folder: Path) -> list[Path]:
    """Folders below it that we may not write, and locks that we may not take."""
    found = []
    for parent, _, files in os.walk(folder):
        here = Path(parent)
        if not os.access(here, os.W_OK | os.X_OK):
            found.append(here)
        found += [here / name for name in files if name in _OURS and not _may_write(here / name)]
    return found


def _may_write(file: Path) -> bool:
    return os.access(file, os.W_OK)
