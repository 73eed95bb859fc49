"""Ingest, search and memory beside their baselines, in one run: `python -m bench.ingest FOLDER`."""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from bench.altered import altered
from bench.backends import measure_backends
from bench.daemon_run import index_by_a_daemon
from bench.ingest_table import show
from bench.large import decode_core_seconds, reduced_cosines, write_photographs
from bench.large import figures as figures_of_large
from core.bootstrap import open_database, open_decoder, open_search
from core.config import load_config
from core.embedders import Embedder
from core.embedders.dinov2 import open_embedder
from core.images import Limits, open_picture
from core.preprocess import Preprocessing

BASELINE_PICTURES = 200
SEARCHES = 100
LARGE_PICTURES = 48


def main() -> None:
    """Print the table; with --json, one document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="dinov2_vits14")
    parser.add_argument("--attempts", type=int, default=3)
    parser.add_argument("--pictures", type=int, help="no more of them, evenly chosen")
    parser.add_argument("--not-compiled", action="store_true", help="torch.compile takes a minute")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = measure(
        arguments.folder,
        arguments.model,
        attempts=arguments.attempts,
        most=arguments.pictures,
        compiled=not arguments.not_compiled,
    )
    if arguments.json:
        print(json.dumps(figures))
    else:
        show(figures)


def measure(
    folder: Path, model: str, *, attempts: int = 3, most: int | None = None, compiled: bool = True
) -> dict[str, Any]:
    """All figures, in one run on this machine."""
    files = sorted(folder.rglob("*.jpg"))
    with tempfile.TemporaryDirectory(prefix="lookalike-bench-") as work:
        files = _chosen(files, most or len(files), Path(work) / "pictures")
        folder = Path(work) / "pictures"
        backends = measure_backends(_pixels(files, open_embedder(model)), model, compiled=compiled)
        # Interleaved, the best of each: what else the machine does meanwhile is no property of
        # any of them.
        article, limit, ours = [], [], []
        memory: dict[str, float] = {}
        for attempt in range(attempts):
            article.append(_article_rate(files, model))
            limit.append(_model_only_rate(files, model))
            rate, memory = index_by_a_daemon(folder, model, Path(work) / str(attempt), len(files))
            ours.append(rate)
        search = _search(files, Path(work) / "0")
        best = max(*limit, *(each["per_second"] for each in backends.values()))
        large = _large(files, model, Path(work) / "large", max(limit))
    return {
        "pictures": len(files),
        "backends": backends,
        "article_per_second": max(article),
        "model_only_per_second": max(limit),
        "best_model_only_per_second": best,
        "ingest_per_second": max(ours),
        "ingest_vs_article": max(ours) / max(article),
        "ingest_vs_model_only": max(ours) / max(limit),
        "ingest_vs_best": max(ours) / best,
        **large,
        **search,
        **memory,
        "help_seconds": _help_seconds(),
        "cpu": _cpu(),
    }


def _chosen(files: list[Path], most: int, folder: Path) -> list[Path]:
    """Copies of so many, evenly chosen."""
    folder.mkdir()
    chosen = files[:: max(1, len(files) // most)][:most]
    named = ((file, folder / f"{file.parent.name}-{file.name}") for file in chosen)
    return [Path(shutil.copyfile(file, copy)) for file, copy in named]


def _pixels(files: list[Path], embedder: Embedder) -> NDArray[np.uint8]:
    few = files[:: max(1, len(files) // BASELINE_PICTURES)]
    pictures = [open_picture(file.read_bytes(), Limits()) for file in few]
    return np.stack([embedder.preprocessing(picture) for picture in pictures])


def _large(files: list[Path], model: str, work: Path, model_rate: float) -> dict[str, Any]:
    embedder = open_embedder(model)
    cores = os.cpu_count() or 1
    photographs = write_photographs(files, work / "pictures", LARGE_PICTURES)
    decode = decode_core_seconds(photographs[:10], embedder)
    cosines = reduced_cosines(photographs[:10], embedder)
    rate, _ = index_by_a_daemon(work / "pictures", model, work / "index", len(photographs))
    return {
        **figures_of_large(rate, decode, cores / model_rate, cores),
        "large_cosine_min": min(cosines),
    }


def _open(model: str, precision: Literal["fp32", "bf16"] | None = None) -> Embedder:
    # The article's way is torch's, whatever else is installed here.
    return open_embedder(model, precision=precision, backend="torch" if precision else None)


def _article_rate(files: list[Path], model: str) -> float:
    """The seed article's way: fp32, read, decode, resize and embed one picture at a time."""
    embedder = _open(model, "fp32")
    prepare = Preprocessing("article", embedder.preprocessing.size)
    few = files[:: max(1, len(files) // BASELINE_PICTURES)]

    def one(file: Path) -> object:
        with Image.open(file) as picture:
            return embedder.embed(prepare(picture.convert("RGB"))[None])

    one(few[0])
    return len(few) / _seconds(lambda: [one(file) for file in few])


def _model_only_rate(files: list[Path], model: str) -> float:
    """The forward pass alone at our settings: decoded pictures in memory, full batches."""
    embedder = _open(model)
    pixels = _pixels(files, embedder)
    size = embedder.batch_size
    batches = [pixels[start : start + size] for start in range(0, len(pixels), size)]
    batches = [batch for batch in batches if len(batch) == size] or [pixels]
    with ThreadPoolExecutor(embedder.streams) as pool:
        list(pool.map(embedder.embed, batches[: 2 * embedder.streams]))
        seconds = _seconds(lambda: list(pool.map(embedder.embed, batches * 3)))
    return 3 * sum(map(len, batches)) / seconds


def _search(files: list[Path], work: Path) -> dict[str, float]:
    """Warm searches with pictures that are not indexed (their pixels are changed a little)."""
    config = load_config(work / "config.yaml")
    queries = [altered(file) for file in files[:: max(1, len(files) // SEARCHES)]]
    with (
        closing(open_database(config, writable=False)) as database,
        closing(open_decoder(config, workers=1)) as decoder,
    ):
        index = open_search(config, database, decoder)
        for query in queries[:5]:
            index.search(query)
        total = [_seconds(partial(index.search, query)) for query in queries]
        embedder = index.embedder
        one = embedder.preprocessing(open_picture(queries[0], Limits()))[None]
        forward = [_seconds(lambda: embedder.embed(one)) for _ in queries]
    p50, pass_p50 = statistics.median(total), statistics.median(forward)
    return {
        "search_p50_ms": p50 * 1000,
        "search_p95_ms": statistics.quantiles(total, n=20)[-1] * 1000,
        "forward_p50_ms": pass_p50 * 1000,
        "search_vs_forward": p50 / pass_p50,
    }


def _help_seconds() -> float:
    script = shutil.which("lookalike", path=str(Path(sys.executable).parent)) or "lookalike"
    return min(
        _seconds(lambda: subprocess.run([script, "--help"], stdout=subprocess.DEVNULL, check=True))
        for _ in range(5)
    )


def _seconds(function: Callable[[], object]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    name = next((line.partition(":")[2].strip() for line in lines if "model name" in line), "?")
    return f"{os.cpu_count()} x {name}, torch {torch.__version__}"


if __name__ == "__main__":
    main()
