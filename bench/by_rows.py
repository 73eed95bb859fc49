"""The command line of a benchmark of so many rows."""

import argparse
import json
from collections.abc import Callable
from typing import Any

Figures = dict[str, Any]


def run(
    about: str | None, measure: Callable[[int], Figures], show: Callable[[Figures], None]
) -> None:
    """Measure, and print the table; with --json, one document."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = measure(arguments.rows)
    if arguments.json:
        print(json.dumps(figures))
    else:
        show(figures)
