"""docs/operations.md quotes what the program says: each sentence of its table is said somewhere."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.project import TOP

TEXT = (TOP / "docs/operations.md").read_text()
SHORTEST = 8
"""What is left of a sentence between two gaps says nothing if it is shorter."""


def strings() -> Iterator[str]:
    """Every text in the sources, with a gap for what is filled in."""
    for package in ("core", "daemon", "web", "bot", "cli"):
        for file in (TOP / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.JoinedStr):
                    yield "".join(
                        str(part.value) if isinstance(part, ast.Constant) else "…"
                        for part in node.values
                    )
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield re.sub(r"\{\w*\}|%[sdg]", "…", node.value)


SAID = [*strings()]


def quoted() -> list[str]:
    """The first column of the table of problems, but for what it only describes."""
    table = TEXT.partition("| it says | it means | do |")[2].partition("\n\n")[0]
    cells = [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines()[2:]]
    return [cell for cell in cells if not cell.startswith("a sentence ")]


def pieces(sentence: str) -> list[str]:
    found = (piece.strip(" ().,;:'") for piece in sentence.split("…"))
    return [piece for piece in found if len(piece) >= SHORTEST]


def test_the_table_is_found() -> None:
    assert len(quoted()) > 15
    assert pieces("The folder of root … has no file … (watch.marker)")


@pytest.mark.parametrize("sentence", quoted())
def test_a_quoted_sentence_is_said(sentence: str) -> None:
    assert pieces(sentence), "nothing to look for"
    missing = [piece for piece in pieces(sentence) if not any(piece in text for text in SAID)]
    assert missing == []
