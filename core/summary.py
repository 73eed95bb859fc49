"""The daemon's status in one line, as a service manager shows it."""

from core.durations import how_far
from core.state import Status


def summary(status: Status) -> str:
    """State, counts, progress, and the first problem."""
    parts = [f"{status.indexed:,} pictures indexed"]
    if status.progress and status.progress.done < status.progress.total:
        parts.append(how_far(status.progress))
    counts = {
        "waiting": status.pending,
        "rejected": status.rejected,
        "deletions held back": status.held_deletions,
    }
    parts += [f"{count:,} {what}" for what, count in counts.items() if count]
    text = f"{status.state}: {', '.join(parts)}"
    if not status.problems:
        return text
    more = len(status.problems) - 1
    others = f" (and {more} more, see lookalike status)" if more else ""
    return f"{text}. {status.problems[0]}{others}"
