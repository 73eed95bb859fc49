"""Is the clock right? Files, notes and rows are compared by their times."""

import time
from collections.abc import Callable, Iterator

from cli.doctor.facts import Facts
from cli.doctor.findings import Finding, note, ok, problem
from cli.doctor.quantities import lasting
from core.files import read_json

_TOLERATED_SECONDS = 10
"""Less is what a file server, or a Date in whole seconds, may be off by."""
_SET_IT = "Let a time service set the clock, such as chrony or systemd-timesyncd."


def check(facts: Facts, clock: Callable[[], float] = time.time) -> Iterator[Finding]:
    """Against the newest times that others have noted, and the server's clock."""
    now = clock()
    ahead = {
        f"the pictures of {root}": tree.latest_ns / 1e9 - now for root, tree in facts.trees.items()
    }
    status = read_json(facts.config.state / "daemon" / "status.json")
    if isinstance(status, dict) and isinstance(status.get("updated"), float):
        ahead["the daemon's last status"] = status["updated"] - now
    late = {what: seconds for what, seconds in ahead.items() if seconds > _TOLERATED_SECONDS}
    for what, seconds in late.items():
        yield problem(
            f"By this machine's clock {what} changed {lasting(seconds)} in the future.", _SET_IT
        )
    off = facts.server_seconds
    if off is not None and abs(off) > _TOLERATED_SECONDS:
        yield note(
            f"The clock of the index's server is {lasting(abs(off))} "
            f"{'ahead of' if off > 0 else 'behind'} this machine's.",
            f"{_SET_IT[:-1]}, on both.",
        )
    elif not late:
        yield ok("Nothing here is dated in the future.")
