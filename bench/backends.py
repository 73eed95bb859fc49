"""The model alone by every backend that is installed here, beside its fp32 vectors by torch."""

import shutil
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from core.embedders.dinov2 import TimmEmbedder, open_embedder

Pixels = NDArray[np.uint8]
Vectors = NDArray[np.float32]
K = 10


def measure_backends(pixels: Pixels, model: str, *, compiled: bool) -> dict[str, dict[str, float]]:
    """Pictures a second of each, a batch a core, and how its vectors differ from fp32's. ONNX
    Runtime is measured as comparable tools ship it; it is none of ours."""
    plain = open_embedder(model, precision="fp32", backend="torch")
    reference = plain.embed(pixels)
    ways: dict[str, Callable[[], tuple[Callable[[Pixels], Vectors], int]]] = {
        "torch fp32": lambda: (plain.embed, plain.batch_size)
    }
    ours = open_embedder(model, backend="torch")
    if ours.precision == "bf16":
        ways["torch bf16"] = lambda: (ours.embed, ours.batch_size)
    if compiled and shutil.which("g++"):
        ways[f"torch compiled, {ours.precision}"] = lambda: (_compiled(ours), ours.batch_size)
    if find_spec("openvino"):
        fast = open_embedder(model, backend="openvino")
        ways[f"OpenVINO {fast.precision}"] = lambda: (fast.embed, fast.batch_size)
    if find_spec("onnxruntime") and find_spec("onnx"):
        ways["ONNX Runtime fp32"] = lambda: (_onnx(plain), 1)
    found: dict[str, dict[str, float]] = {}
    for name, open_way in ways.items():
        forward, batch = open_way()
        rate, vectors = _rate(forward, pixels, batch, plain.streams)
        found[name] = {"per_second": rate, **likeness(vectors, reference)}
    return found


def likeness(vectors: Vectors, reference: Vectors) -> dict[str, float]:
    """Cosines, and the share of each picture's nearest others that both agree on."""
    cosines = (vectors * reference).sum(axis=1)
    near, expected = _nearest(vectors), _nearest(reference)
    same = [len(set(a) & set(b)) for a, b in zip(near.tolist(), expected.tolist(), strict=True)]
    return {
        "cosine_mean": float(cosines.mean()),
        "cosine_min": float(cosines.min()),
        "overlap_at_10": sum(same) / near.size,
    }


def _nearest(vectors: Vectors) -> NDArray[np.intp]:
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    return np.argsort(-scores, axis=1)[:, :K]


def _rate(
    forward: Callable[[Pixels], Vectors], pixels: Pixels, batch: int, streams: int
) -> tuple[float, Vectors]:
    starts = range(0, len(pixels), batch)
    batches = [pixels[start : start + batch] for start in starts]
    with ThreadPoolExecutor(streams) as pool:
        list(pool.map(forward, batches[: 2 * streams]))
        begun = time.perf_counter()
        vectors = np.concatenate(list(pool.map(forward, batches)))
        return len(pixels) / (time.perf_counter() - begun), vectors


def _compiled(embedder: TimmEmbedder) -> Callable[[Pixels], Vectors]:
    made = torch.compile(embedder.module())
    own = threading.local()

    def forward(pixels: Pixels) -> Vectors:
        if not hasattr(own, "threads"):
            own.threads = 1
            torch.set_num_threads(1)
        with torch.inference_mode():
            vectors: Vectors = made(torch.from_numpy(pixels)).numpy()
        return vectors

    return forward


def _onnx(embedder: TimmEmbedder) -> Callable[[Pixels], Vectors]:
    import onnxruntime

    with tempfile.TemporaryDirectory() as work, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = Path(work) / "model.onnx"
        size = embedder.preprocessing.size
        torch.onnx.export(
            embedder.module(),
            (torch.zeros(1, size, size, 3, dtype=torch.uint8),),
            str(file),
            input_names=["pixels"],
            output_names=["vectors"],
            dynamo=False,
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session: Any = onnxruntime.InferenceSession(file, options)
    return lambda pixels: session.run(None, {"pixels": pixels})[0]
