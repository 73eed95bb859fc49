"""How things stand: the daemon's own words, or what the index itself says without a daemon."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

from core.bootstrap import open_database
from core.config import Config
from core.errors import StoreError
from core.state import RootStatus, State, Status, read_status


def current_status(config: Config) -> Status:
    """The daemon's own words while they are fresh, else what the index itself says."""
    folder = config.state / "daemon"
    known = read_status(folder)
    if known is not None and known.state != "stopped":
        return known
    state: State = "stopped"
    if known is None and not _is_absent(folder / "status.json"):
        state = "unknown"
    problems = list(known.problems) if known else []
    model, counts = None, {}
    try:
        with closing(open_database(config, writable=False)) as database:
            if catalogue := database.catalogue():
                model = catalogue.serving
                counts = database.vectors(model).roots()
    except StoreError as error:
        problems.append(str(error))
    roots = {
        name: RootStatus(
            state,
            known.roots[name].reason if known and name in known.roots else None,
            counts.get(name, 0),
        )
        for name in config.roots
    }
    indexed = sum(root.indexed for root in roots.values())
    if known is None:
        return Status(state, roots, model, config.store, indexed, problems=problems)
    return replace(known, state=state, roots=roots, model=model, indexed=indexed, problems=problems)


def _is_absent(file: Path) -> bool:
    """Whether there is no such file, as far as this user may know."""
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        pass
    return False
