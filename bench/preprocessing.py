"""Which preprocessing retrieves best: `python -m bench.preprocessing FOLDER`.

The protocol is bench.retrieval's. The table is in docs/preprocessing.md.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from bench.retrieval import embed_all, evaluate, pictures_below, print_table
from core.embedders import Embedder
from core.embedders.opening import open_embedder
from core.errors import AppError
from core.preprocess import METHODS, Preprocessing


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.preprocessing", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="dinov2_vits14")
    parser.add_argument("--weights", type=Path, help="else LOOKALIKE_WEIGHTS and so on")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    first = open_embedder(given.model, given.weights)
    embedders: list[Embedder] = [
        open_embedder(
            given.model,
            given.weights,
            preprocessing=Preprocessing(method, first.preprocessing.size),
        )
        for method in METHODS
    ]
    embedders.append(open_embedder("colour-layout"))
    vectors, labels = embed_all(pictures_below(given.folder), embedders)
    rows = [
        (embedder.name, evaluate(found, labels))
        for embedder, found in zip(embedders, vectors, strict=True)
    ]
    if given.json:
        print(json.dumps([{"embedder": name, **asdict(found)} for name, found in rows]))
    else:
        print_table(rows, f"{rows[0][1].queries} queries, leave one out")


if __name__ == "__main__":
    try:
        main()
    except AppError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
