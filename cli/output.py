"""How answers are shown: a JSON document on stdout, or text; everything else goes to stderr."""

import json
import sys
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text


def print_json(document: Any) -> None:
    """The one document."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def say(sentence: str) -> None:
    """To the person, not into the document."""
    sys.stderr.write(sentence + "\n")


def print_table(columns: list[str], rows: list[list[str]]) -> None:
    """Text columns; a file's name is never taken for markup."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column == "distance" else "left")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    # Off a terminal lines are as long as they need to be, so that scripts find whole names.
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=10_000)
    console.print(table)
