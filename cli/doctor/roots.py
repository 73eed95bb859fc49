"""Is a root the folder we know, can it be read, and do we hear of its changes?"""

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path

from cli.doctor.facts import Facts
from cli.doctor.findings import Finding, note, ok, problem
from cli.doctor.people import me
from cli.doctor.quantities import count, size
from cli.doctor.tree import Tree
from cli.doctor.tree import count as count_tree
from core.bootstrap import open_database
from core.candidates import Candidates
from core.config import Config
from core.errors import StoreError
from core.records import IndexedStamp, Place
from daemon.mounts import MountTable, below, holding
from daemon.pace import SCAN_WITHOUT_EVENTS_SECONDS
from daemon.roots import Roots
from daemon.spelling import folds_case

_NAMES_TRIED = 200


def check(facts: Facts, root: str) -> Iterator[Finding]:
    """One root."""
    folder = facts.config.roots[root]
    if (found := _out_of_reach(root, folder)) is not None:
        yield found
        return
    yield from _identity(facts.config, root)
    yield from _file_system(facts.config, folder)
    doing = f"Counting pictures in {root}"
    facts.show(doing, 0, None)
    tree = count_tree(
        root, folder, Candidates(facts.config.ignore), lambda done: facts.show(doing, done, None)
    )
    facts.trees[root] = tree
    yield from _content(tree)


def _out_of_reach(root: str, folder: Path) -> Finding | None:
    try:
        with os.scandir(folder) as entries:
            next(entries, None)
    except (FileNotFoundError, NotADirectoryError) as error:
        return problem(
            f"{folder} cannot be read: {error.strerror}.",
            f"Make the folder, mount its disk, or correct roots.{root} in the configuration; until "
            "then its pictures stay indexed as they were.",
        )
    except PermissionError:
        shut = _shut(folder)
        return problem(
            f"{folder} may not be read by {me()}: {shut} is closed to it.",
            f"Let {me()} read and enter {shut}, or run the daemon as a user who may.",
        )
    except OSError as error:
        return problem(
            f"{folder} cannot be read: {error.strerror}.",
            "Look after the disk or the server that holds it; until then its pictures stay indexed "
            "as they were.",
        )
    return None


def _shut(folder: Path) -> Path:
    """The topmost folder on the way that lets us no farther."""
    for above in reversed(folder.parents):
        if not os.access(above, os.X_OK):
            return above
    return folder


def _identity(config: Config, root: str) -> Iterator[Finding]:
    """As the daemon asks it, on a copy of what the daemon remembers: here nothing is noted down."""
    with tempfile.TemporaryDirectory(prefix="lookalike-") as folder:
        notes = Path(folder) / "roots.json"
        with suppress(OSError):  # none yet, or not for our eyes: then every folder will do
            shutil.copyfile(config.state / "daemon" / "roots.json", notes)
        known = Roots({root: config.roots[root]}, notes, marker=config.watch.marker)
        with closing(known):
            if (reason := known.problem(root, _stamps(config, Place(root, "")))) is not None:
                yield problem(*_two_sentences(reason, root))
                return
            away = known.away(root, lambda place: _stamps(config, place))
    for place, reason in sorted(away.items()):
        yield problem(
            f"{place}: {reason.partition('; if')[0]}.",
            f"Mount it again; if it is right as it is now, run: lookalike adopt {root}",
        )


def _two_sentences(reason: str, root: str) -> tuple[str, str]:
    found, adopt, _ = reason.partition(" If it is right so")
    if adopt:
        return found, f"Mount the right one; if this is it, run: lookalike adopt {root}"
    return found, f"Mount the disk, or correct roots.{root} or watch.marker in the configuration."


def _stamps(config: Config, place: Place) -> Callable[[], Mapping[Place, IndexedStamp]]:
    def read() -> Mapping[Place, IndexedStamp]:
        with suppress(StoreError), closing(open_database(config, writable=False)) as database:
            if catalogue := database.catalogue():
                return database.vectors(catalogue.serving).stamps([place])
        return {}  # nothing is indexed, or it is the store's problem, which is told there

    return read


def _file_system(config: Config, folder: Path) -> Iterator[Finding]:
    top = os.fsencode(folder.resolve())
    traits = ""
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        traits += ", read-only, which is all we need"
    if _folds_case(folder):
        traits += (
            ", on which IMG.jpg and img.jpg are one file: renaming one to the other is noticed"
        )
    try:
        with closing(MountTable()) as table:
            mounts = table.read()
    except OSError:  # no /proc
        yield ok(f"{folder}{traits}.")
        return
    here = holding(mounts, top)
    inside = [(path, mount) for path, mount in below(mounts, top) if mount.shared]
    minutes = min(config.watch.rescan_minutes, SCAN_WITHOUT_EVENTS_SECONDS / 60)
    if here is not None and not here.shared:
        yield ok(
            f"{folder} is on {here.kind}, a file system of this machine{traits}: "
            "changes are seen as they happen."
        )
    elif here is not None:
        inside.insert(0, (b"", here))
    for path, mount in inside:
        yield note(
            f"{folder / os.fsdecode(path)} is on {mount.kind}{traits if mount is here else ''}: "
            "of changes made elsewhere the kernel tells nothing.",
            f"Nothing, if it is enough that all of it is compared every {minutes:g} minutes; else "
            "run the daemon where the disk is, or lookalike sync after a change.",
        )


def _folds_case(folder: Path) -> bool:
    with os.scandir(os.fsencode(folder)) as entries:
        return any(folds_case(entry.path) for entry in itertools.islice(entries, _NAMES_TRIED))


def _content(tree: Tree) -> Iterator[Finding]:
    unknown = tree.findings.unknown
    if unknown:
        place, reason = min(unknown.items())
        yield problem(
            f"{count(len(unknown), 'place')} below it cannot be looked at, the first of them "
            f"{place} ({reason}).",
            f"Let {me()} read and enter it, or ignore it in the configuration; what is indexed "
            "there stays as it was.",
        )
    if tree.unreadable:
        yield problem(
            f"{count(tree.unreadable, 'picture')} may not be read by {me()}, the first of them "
            f"{tree.first_unreadable}.",
            f"Let {me()} read them, or run the daemon as a user who may.",
        )
    others = tree.findings.skipped
    rest = f"; {count(others, 'other file is no picture', 'other files are no pictures')}"
    found = (
        f"{count(tree.pictures, 'picture')} of {size(tree.size_bytes)} in "
        f"{count(tree.findings.folders, 'folder')}{rest if others else ''}."
    )
    if tree.pictures or unknown:
        yield ok(found)
    else:
        yield note(found, "Put pictures there, or look at roots and ignore in the configuration.")
