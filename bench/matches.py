"""Draws real answers: `python -m bench.matches FOLDER FILE.jpg PICTURE…`.

Indexes FOLDER without the PICTUREs (paths below it) by the ordinary way, asks with each of them,
and draws every query beside its closest matches and their distances.
"""

import argparse
import io
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from bench.indexed import indexed
from core.bootstrap import open_database, open_decoder, open_search
from core.config import Config
from core.index import Answer

TILE = 150
MARGIN = 8
TEXT = 34
MATCHES = 5
INK, PAPER, QUERY = (40, 40, 40), (255, 255, 255), (60, 110, 200)


def main() -> None:
    """Write FILE."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("pictures", nargs="+")
    parser.add_argument("--model", default="dinov2_vits14")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lookalike-") as work:
        left_out = list(arguments.pictures)
        config = indexed(Path(work), arguments.folder, arguments.model, left_out=left_out)
        answers = _ask(config, [arguments.folder / name for name in arguments.pictures])
    sheet = _draw(arguments.folder, arguments.pictures, answers)
    sheet.save(arguments.file, quality=85, optimize=True)


def _ask(config: Config, queries: list[Path]) -> list[Answer]:
    database, decoder = open_database(config, writable=False), open_decoder(config, workers=1)
    try:
        index = open_search(config, database, decoder)
        return [index.search(query.read_bytes(), MATCHES) for query in queries]
    finally:
        decoder.close()
        database.close()


def _draw(folder: Path, queries: list[str], answers: list[Answer]) -> Image.Image:
    width = (MATCHES + 1) * (TILE + MARGIN) + 3 * MARGIN
    height = len(queries) * (TILE + TEXT + MARGIN) + MARGIN
    sheet = Image.new("RGB", (width, height), PAPER)
    for row, (query, answer) in enumerate(zip(queries, answers, strict=True)):
        top = MARGIN + row * (TILE + TEXT + MARGIN)
        _tile(sheet, (MARGIN, top), folder / query, ["not indexed", query], frame=True)
        for column, match in enumerate(answer.matches, 1):
            left = 3 * MARGIN + column * (TILE + MARGIN)
            lines = [f"{match.distance:.3f}", match.place.path]
            _tile(sheet, (left, top), folder / match.place.path, lines, frame=False)
    return sheet


def _tile(
    sheet: Image.Image, at: tuple[int, int], file: Path, lines: list[str], *, frame: bool
) -> None:
    with Image.open(io.BytesIO(file.read_bytes())) as picture:
        small = ImageOps.contain(picture.convert("RGB"), (TILE, TILE))
    left, top = at
    sheet.paste(small, (left + (TILE - small.width) // 2, top + (TILE - small.height) // 2))
    draw = ImageDraw.Draw(sheet)
    if frame:
        draw.rectangle((left - 3, top - 3, left + TILE + 2, top + TILE + 2), outline=QUERY, width=3)
    font = ImageFont.load_default(12)
    for number, line in enumerate(lines):
        draw.text((left, top + TILE + 3 + 15 * number), line, INK, font)


if __name__ == "__main__":
    main()
