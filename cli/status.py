"""`lookalike status`: what the daemon is doing; what is indexed, rejected, held."""

from dataclasses import asdict
from pathlib import Path

from cli.output import print_json
from core.config import load_config
from core.standing import current_status


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
