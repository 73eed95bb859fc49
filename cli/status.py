"""`lookalike status`: what the daemon is doing; what is indexed, rejected, held."""

from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

from cli.output import print_json
from core.bootstrap import open_database
from core.config import Config, load_config
from core.errors import StoreError
from core.state import RootStatus, State, Status, read_status


def status(config_file: Path, *, as_json: bool) -> int:
    """The exit code."""
    known = current_status(load_config(config_file))
    if as_json:
        print_json(asdict(known))
        return 0
    lines = [f"{known.state}: {known.indexed} pictures indexed"]
    if known.progress:
        left = known.progress.seconds_left
        lines.append(
            f"  {known.progress.done} of {known.progress.total} files, "
            f"{known.progress.per_second:.1f}/s{f', {left:.0f} s left' if left else ''}"
        )
    lines += [f"  {name}: {root.state}, {root.indexed}" for name, root in known.roots.items()]
    lines += [
        f"model: {known.model or 'none yet'}",
        f"store: {known.store}",
        f"pending {known.pending}, rejected {known.rejected}, skipped {known.skipped}, "
        f"held deletions {known.held_deletions}, embedded in total {known.embedded_total}",
        f"last full scan: {known.last_scan or 'never'}",
        *known.problems,
    ]
    print("\n".join(lines))
    return 0


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
