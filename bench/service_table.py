"""The figures of bench.service as a table, with the bars that they are held to."""

from typing import Any

from rich.console import Console
from rich.table import Table

COLUMNS = ("what", "in process", "shared", "bar")


def show(figures: dict[str, Any]) -> None:
    """As a table."""
    table = Table(title="One model for all, beside a model in each process")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "what" else "right")
    for each in rows(figures):
        table.add_row(*each)
    Console().print(table)


def rows(figures: dict[str, Any]) -> list[tuple[str, ...]]:
    """What, in process, shared, bar."""
    found: list[tuple[str, ...]] = []
    alone, shared = figures["in_process"], figures["shared"]
    base = sum(alone["daemon_mib"].values())

    def row(what: str, one: float, other: float, form: str, bar: str = "") -> None:
        found.append((what, form.format(one), form.format(other), bar))

    together = [_total(each["together_mib"]) for each in (alone, shared)]
    resting = [_total(each["resting_mib"]) for each in (alone, shared)]
    row("daemon alone, MiB", base, sum(shared["daemon_mib"].values()), "{:.0f}")
    row("daemon + page + bot (+ model), MiB", together[0], together[1], "{:.0f}")
    row("  against the daemon alone", together[0] / base, together[1] / base, "{:.2f} x", "<= 1.5")
    row("the same, unused for long, MiB", resting[0], resting[1], "{:.0f}", "<= 450")
    for name, part in shared["resting_mib"].items():
        found.append((f"  {name}", "", f"{sum(part.values()):.0f}", ""))
    for what in ("search", "embed"):
        for point in ("p50", "p95"):
            idle = [each["idle_ms"][what][point] for each in (alone, shared)]
            loaded = [each["loaded_ms"][what][point] for each in (alone, shared)]
            row(f"{what} {point}, idle, ms", idle[0], idle[1], "{:.1f}")
            row(f"{what} {point} while indexing, ms", loaded[0], loaded[1], "{:.1f}")
            bar = "<= 2" if point == "p95" else ""
            row("  against idle", loaded[0] / idle[0], loaded[1] / idle[1], "{:.2f} x", bar)
    rates = [each["indexed_per_second_under_queries"] for each in (alone, shared)]
    row("indexed meanwhile, pictures/s", rates[0], rates[1], "{:.1f}")
    return found


def _total(parts: dict[str, Any]) -> float:
    return sum(sum(part.values()) for part in parts.values())
