"""`lookalike status`: what the daemon is doing; what is indexed, rejected, held."""

from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

from cli.output import print_json
from core.bootstrap import open_database
from core.config import Config, load_config
from core.errors import StoreError
from core.state import RootStatus, State, Status, read_rejections, read_status

LISTED = 20


def status(config_file: Path, *, as_json: bool) -> int:
    """The exit code."""
    config = load_config(config_file)
    known = current_status(config)
    rejections = sorted(read_rejections(config.state / "daemon").items())
    if as_json:
        listed = [
            {"root": place.root, "path": place.path, "reason": rejection.reason}
            for place, rejection in rejections
        ]
        print_json(asdict(known) | {"rejected_files": listed})
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
        f"last full scan: {known.last_scan or 'never'}{_drift(known.drift)}",
        *known.problems,
        *(f"rejected: {place} {rejection.reason}" for place, rejection in rejections[:LISTED]),
    ]
    if len(rejections) > LISTED:
        lines.append(f"and {len(rejections) - LISTED} more; lookalike verify lists them all")
    print("\n".join(lines))
    return 0


def _drift(count: int | None) -> str:
    return "" if count is None else f", which met {count} changes that no event had told of"


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
