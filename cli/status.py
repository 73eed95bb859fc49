"""`lookalike status`: what the daemon is doing; what is indexed, rejected, held."""

from dataclasses import asdict
from pathlib import Path

from cli.output import print_json
from core.config import load_config
from core.durations import how_far
from core.standing import current_status
from core.state import read_rejections

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
        lines.append(f"  {how_far(known.progress)} ({known.progress.done:,} done)")
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
