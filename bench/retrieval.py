"""How well an embedder finds pictures of a kind: `python -m bench.retrieval FOLDER`.

A folder's name is the class of the pictures in it. Every picture asks, all others answer (leave
one out), by cosine distance: no training, no index.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from core.embedders import Embedder
from core.embedders.opening import open_embedder
from core.errors import AppError, ImageError, UsageError
from core.images import Limits, is_candidate_name, open_picture
from core.preprocess import Preprocessing

WORST = 5


@dataclass(frozen=True, slots=True)
class ClassScore:
    """The mean average precision of one class' queries."""

    label: str
    mean_average_precision: float


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Shares in [0, 1], each a mean over the queries.

    Precision at k: how many of the k nearest are of the query's class, divided by k.
    Average precision of a query: the mean of the precisions at the ranks of all other pictures of
    its class, over the full ranking (Manning et al., "Introduction to Information Retrieval", 8.4).
    """

    queries: int
    alone: int
    """Pictures that are the only one of their class: they answer, but do not ask."""
    precision_at_1: float
    precision_at_4: float
    precision_at_10: float
    mean_average_precision: float
    worst: tuple[ClassScore, ...]


def evaluate(vectors: NDArray[np.float32], labels: Sequence[str]) -> Retrieval:
    """Leave one out over (n, dim) unit vectors; equal distances rank in the order given.

    ValueError unless at least one class has two pictures.
    """
    names, classes = np.unique(np.asarray(labels), return_inverse=True)
    sizes = np.bincount(classes)
    asking = np.flatnonzero(sizes[classes] > 1)
    if not len(asking):
        raise ValueError("no class has two pictures")
    scores = [_score(vectors, classes, query) for query in asking]
    precisions = np.array([score[:3] for score in scores]).mean(axis=0)
    average = np.array([score[3] for score in scores])
    by_class = [
        ClassScore(str(names[label]), float(average[classes[asking] == label].mean()))
        for label in np.unique(classes[asking])
    ]
    return Retrieval(
        queries=len(asking),
        alone=len(classes) - len(asking),
        precision_at_1=float(precisions[0]),
        precision_at_4=float(precisions[1]),
        precision_at_10=float(precisions[2]),
        mean_average_precision=float(average.mean()),
        worst=tuple(sorted(by_class, key=lambda score: score.mean_average_precision)[:WORST]),
    )


def _score(
    vectors: NDArray[np.float32], classes: NDArray[np.intp], query: np.intp
) -> tuple[float, float, float, float]:
    similarity = vectors @ vectors[query]
    ranking = np.argsort(-similarity, kind="stable")
    hits = classes[ranking[ranking != query]] == classes[query]
    ranks = np.flatnonzero(hits) + 1
    average = float((np.arange(1, len(ranks) + 1) / ranks).mean())
    return hits[:1].sum() / 1, hits[:4].sum() / 4, hits[:10].sum() / 10, average


@dataclass(frozen=True, slots=True)
class Distances:
    """Cosine distances of all pairs, at quantiles."""

    different_classes: tuple[float, float, float, float]
    """At 0.1, 1, 5 and 50 %."""
    same_class: tuple[float, float, float]
    """At 5, 50 and 95 %."""


def distances(vectors: NDArray[np.float32], labels: Sequence[str]) -> Distances:
    """How far apart pictures are: no flat cut separates classes where the two overlap."""
    classes = np.unique(np.asarray(labels), return_inverse=True)[1]
    first, second = np.triu_indices(len(vectors), 1)
    apart = 1 - (vectors @ vectors.T)[first, second]
    same = classes[first] == classes[second]
    different = np.quantile(apart[~same], (0.001, 0.01, 0.05, 0.5)).tolist()
    alike = np.quantile(apart[same], (0.05, 0.5, 0.95)).tolist()
    return Distances(tuple(different), tuple(alike))


def pictures_below(folder: Path) -> list[Path]:
    """The pictures at and below `folder`, in order; UsageError if there are none."""
    files = sorted(path for path in folder.rglob("*") if is_candidate_name(path.name))
    if not files:
        raise UsageError(f"There are no pictures below {folder}.")
    return files


def decoded(files: Iterable[Path]) -> Iterator[tuple[Path, Image.Image]]:
    """Each readable file and its picture; the others are named on stderr."""
    for file in files:
        try:
            yield file, open_picture(file.read_bytes(), Limits())
        except ImageError as error:
            print(f"{file} {error}", file=sys.stderr)


def embed_all(
    files: Sequence[Path], embedders: Sequence[Embedder]
) -> tuple[list[NDArray[np.float32]], list[str]]:
    """(n, dim) vectors by each of `embedders`, and the n labels; each file is decoded once."""
    vectors: list[list[NDArray[np.float32]]] = [[] for _ in embedders]
    labels: list[str] = []
    watched = track(files, "embedding", console=Console(stderr=True))
    pictures = decoded(watched)
    while batch := list(islice(pictures, embedders[0].batch_size)):
        labels += [file.parent.name for file, _ in batch]
        for made, embedder in zip(vectors, embedders, strict=True):
            pixels = np.stack([embedder.preprocessing(picture) for _, picture in batch])
            made.append(embedder.embed(pixels))
    return [np.concatenate(made) for made in vectors], labels


def print_table(rows: Sequence[tuple[str, Retrieval]], title: str) -> None:
    """One line for each name and result, in percent."""
    table = Table("", "P@1", "P@4", "P@10", "mAP", title=title)
    for name, found in rows:
        shares = (
            found.precision_at_1,
            found.precision_at_4,
            found.precision_at_10,
            found.mean_average_precision,
        )
        table.add_row(name, *(f"{100 * share:.2f}" for share in shares))
    Console().print(table)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.retrieval", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="dinov2_vits14")
    parser.add_argument("--weights", type=Path, help="else LOOKALIKE_WEIGHTS and so on")
    parser.add_argument("--preprocessing", type=Preprocessing.parse, metavar="METHOD-SIZE")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    embedder = open_embedder(given.model, given.weights, preprocessing=given.preprocessing)
    (vectors,), labels = embed_all(pictures_below(given.folder), [embedder])
    found, apart = evaluate(vectors, labels), distances(vectors, labels)
    if given.json:
        print(json.dumps({"embedder": embedder.name, **asdict(found), **asdict(apart)}))
        return
    print_table([(embedder.name, found)], f"{found.queries} queries, {found.alone} alone")
    worst = ", ".join(f"{s.label} {100 * s.mean_average_precision:.1f}" for s in found.worst)
    print(f"Worst classes by mAP: {worst}")
    different = " / ".join(f"{value:.2f}" for value in apart.different_classes)
    alike = " / ".join(f"{value:.2f}" for value in apart.same_class)
    print(f"Distances of different classes at 0.1 / 1 / 5 / 50 %: {different}")
    print(f"Distances of the same class at 5 / 50 / 95 %: {alike}")


if __name__ == "__main__":
    try:
        main()
    except AppError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
