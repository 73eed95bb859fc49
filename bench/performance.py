"""All figures of speed, beside their baselines, as one document: `python -m bench.performance`."""

import argparse
import json
import operator
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import ingest, ingest_table, service, service_table, store
from bench.performance_notes import NOTES, OPENING

_COMPARE = {">=": operator.ge, "<=": operator.le, "<": operator.lt}
_STORE_BARS = {100_000: "<= 10", 1_000_000: "<= 20"}


def main() -> None:
    """Measure, print, and write the document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="dinov2_vits14")
    parser.add_argument("--rows", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--attempts", type=int, default=3)
    parser.add_argument("--pictures", type=int, help="no more of them, evenly chosen")
    parser.add_argument("--no-service", dest="service", action="store_false")
    parser.add_argument("--not-compiled", action="store_true", help="torch.compile takes a minute")
    parser.add_argument("--out", type=Path, default=Path("docs/performance.md"))
    parser.add_argument("--keep", type=Path, help="a JSON file: parts in it are not measured again")
    arguments = parser.parse_args()
    kept = arguments.keep and arguments.keep.exists()
    figures: dict[str, Any] = json.loads(arguments.keep.read_text()) if kept else {}

    def keep(part: str, value: object) -> None:
        figures[part] = value
        if arguments.keep:
            arguments.keep.write_text(json.dumps(figures))

    if "ingest" not in figures:
        measured = ingest.measure(
            arguments.folder,
            arguments.model,
            attempts=arguments.attempts,
            most=arguments.pictures,
            compiled=not arguments.not_compiled,
        )
        keep("ingest", measured)
    ingest_table.show(figures["ingest"])
    for rows in arguments.rows:
        if f"store {rows}" not in figures:
            keep(f"store {rows}", store.measure(rows))
        store.show(figures[f"store {rows}"])
    if arguments.service and "service" not in figures:
        keep("service", service.measure(arguments.folder, arguments.model))
    if "service" in figures:
        service_table.show(figures["service"])
    arguments.out.write_text(document(figures))
    print(f"Written: {arguments.out}")


def document(figures: dict[str, Any]) -> str:
    """The figures as Markdown, with what bounds each that is short of its bar."""
    of = figures["ingest"]
    short: list[str] = []
    lines = [
        OPENING,
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {of['cpu']}, {of['pictures']} pictures.",
        "",
        "## Indexing and searching",
        "",
        *_table(("what", "figure", "bar", "")),
    ]
    for what, key, form, bar in ingest_table.ROWS:
        lines.append(_row(what, key, form.format(of[key]), of[key], bar, short))
    lines += ["", "## The model alone, by backend", ""]
    lines += _table(("backend", "pictures/s", "cosine to fp32: mean", "min", "overlap@10"))
    for name, each in of["backends"].items():
        lines.append(
            f"| {name} | {each['per_second']:.1f} | {each['cosine_mean']:.5f} | "
            f"{each['cosine_min']:.4f} | {each['overlap_at_10']:.3f} |"
        )
    stores = [value for part, value in figures.items() if part.startswith("store ")]
    if stores:
        lines += ["", "## The embedded store", ""]
        lines += _table(("rows", "what", "figure", "bar", ""))
    for each in stores:
        bar = _STORE_BARS.get(each["rows"], "")
        for what, key, form, wanted in (
            ("search p50", "search_p50_ms", "{:.1f} ms", bar),
            ("search p95", "search_p95_ms", "{:.1f} ms", ""),
            ("numpy, exact, p50", "numpy_p50_ms", "{:.1f} ms", ""),
            ("recall@10", "recall_at_10", "{:.4f}", ">= 0.98"),
            ("index made anew beside a reader", "rebuild_seconds", "{:.0f} s", ""),
            ("searches that failed meanwhile", "rebuild_errors", "{:.0f}", "<= 0"),
            ("their p95", "rebuild_p95_ms", "{:.1f} ms", ""),
            ("disk", "disk_bytes", "{:.3g} B", ""),
        ):
            row = _row(what, key, form.format(each[key]), each[key], wanted, short)
            lines.append(f"| {each['rows']:,} {row}")
    if "service" in figures:
        lines += ["", "## One model for all, beside a model in each process", ""]
        lines += _table(service_table.COLUMNS)
        lines += [
            f"| {' | '.join(row).strip()} |" for row in service_table.rows(figures["service"])
        ]
    if short:
        lines += ["", "## Short of the bar", ""]
        lines += [f"* {NOTES[key]}" for key in dict.fromkeys(short) if key in NOTES]
    return "\n".join(lines) + "\n"


def _table(columns: tuple[str, ...]) -> list[str]:
    return ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]


def _row(what: str, key: str, text: str, value: float, bar: str, short: list[str]) -> str:
    verdict = ""
    if match := re.match(r"(>=|<=|<) ([\d.]+)", bar):
        met = _COMPARE[match[1]](value, float(match[2]))
        verdict = "met" if met else "short"
        if not met:
            short.append(key)
    return f"| {what.strip()} | {text} | {bar} | {verdict} |"


if __name__ == "__main__":
    main()
