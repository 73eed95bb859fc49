"""The figures of bench.ingest as a table, with the bars that they are held to."""

from typing import Any

from rich.console import Console
from rich.table import Table

Row = tuple[str, str, str, str]

ROWS: list[Row] = [
    ("the article's way: fp32, one at a time", "article_per_second", "{:.1f}/s", ""),
    ("model only, our settings", "model_only_per_second", "{:.1f}/s", ""),
    ("model only, the best of all backends", "best_model_only_per_second", "{:.1f}/s", ""),
    ("ingest: read, decode, embed, store", "ingest_per_second", "{:.1f}/s", ""),
    ("  against the article's way", "ingest_vs_article", "{:.2f} x", ">= 3.5"),
    ("  against model only, our settings", "ingest_vs_model_only", "{:.2f}", ""),
    ("  against the best of all backends", "ingest_vs_best", "{:.2f}", ">= 0.9"),
    ("12-megapixel photographs", "large_per_second", "{:.1f}/s", ""),
    ("  decoding one, core time", "large_decode_core_ms", "{:.0f} ms", ""),
    ("  against what decoding and model allow", "large_vs_parts", "{:.2f}", ">= 0.85"),
    ("  reduced against full decode, cosine, min", "large_cosine_min", "{:.4f}", ">= 0.995"),
    ("one forward pass, p50", "forward_p50_ms", "{:.1f} ms", ""),
    ("search, model loaded, p50", "search_p50_ms", "{:.1f} ms", ""),
    ("  against one forward pass", "search_vs_forward", "{:.2f} x", "<= 1.5"),
    ("search, p95", "search_p95_ms", "{:.1f} ms", ""),
    ("daemon, resident", "daemon_resident_mib", "{:.0f} MiB", "< 1229"),
    ("  with its decoder processes", "with_decoders_resident_mib", "{:.0f} MiB", "< 1229"),
    ("  at its peak", "daemon_peak_mib", "{:.0f} MiB", ""),
    ("lookalike --help", "help_seconds", "{:.2f} s", "< 0.5"),
]


def show(figures: dict[str, Any]) -> None:
    """As a table."""
    table = Table(title=f"{figures['pictures']} pictures on {figures['cpu']}")
    for column in ("what", "figure", "bar"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for name, each in figures["backends"].items():
        table.add_row(f"model only, {name}", f"{each['per_second']:.1f}/s", "")
    for what, key, form, bar in ROWS:
        table.add_row(what, form.format(figures[key]), bar)
    Console().print(table)
