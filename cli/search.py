"""`lookalike search`: the closest matches of a picture."""

from contextlib import closing
from pathlib import Path

from cli.output import print_json, print_table, say
from core.answers import answer_document
from core.bootstrap import NothingIndexed, is_preview
from core.config import load_config
from core.errors import AppError, ImageError
from core.paths import parse_under
from core.records import Place
from core.searcher import Searcher


def search(
    config_file: Path,
    image: Path,
    k: int,
    under: str | None,
    max_distance: float | None,
    *,
    as_json: bool,
) -> int:
    """The exit code."""
    config = load_config(config_file)
    scope = parse_under(under) if under is not None else None
    data = _read(image, config.images.max_megabytes)
    with closing(Searcher(config)) as searcher:  # another index may take over meanwhile
        try:
            answer = searcher.search(data, k, scope, max_distance)
        except NothingIndexed as nothing:
            say(str(nothing))
            if as_json:
                print_json({"model": None, "matches": [], "timings_ms": {}})
            return 0
        except ImageError as error:
            raise AppError(f"{image} {error}.") from None
    if is_preview(config, answer.model):
        say(f"Preview: compared by colour and layout only, not by {config.model.name}.")
    if as_json:
        print_json(answer_document(answer))
    elif answer.matches:
        rows = [[f"{m.distance:.4f}", str(m.place), _copies(m.copies)] for m in answer.matches]
        print_table(["distance", "picture", ""], rows)
    else:
        say("Nothing found.")
    return 0


def _read(image: Path, max_megabytes: float) -> bytes:
    try:
        with image.open("rb") as file:
            data = file.read(int(max_megabytes * 1e6) + 1)
    except OSError as error:
        raise AppError(f"{image} cannot be read: {error.strerror}.") from None
    if len(data) > max_megabytes * 1e6:
        raise AppError(f"{image} is larger than images.max_megabytes = {max_megabytes:g}.")
    return data


def _copies(copies: tuple[Place, ...]) -> str:
    return f"also {', '.join(map(str, copies))}" if copies else ""
