"""The forward pass by OpenVINO, where it is installed: its only home; made of our torch model."""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Backend = Literal["torch", "openvino"]

BATCH_SIZE = 1
"""A picture a core, as it needs no larger batch to be fast: on two Zen 3 cores 10.7 pictures a
second (4 at a time: 9.6, 8: 9.5, 16: 8.0)."""


def is_installed() -> bool:
    """Whether `pip install lookalike[openvino]` was done here."""
    return find_spec("openvino") is not None


class OpenVinoForward:
    """A torch module's forward pass: (n, size, size, 3) uint8 -> (n, dim) float32."""

    def __init__(self, module: Any, example: Any, *, bf16: bool, threads: int) -> None:
        """`module` takes a tensor like `example`. Raises whatever OpenVINO raises."""
        import openvino

        self._core = openvino.Core()
        with _manners_kept():
            self._model = openvino.convert_model(module, example_input=example)
        self._model.reshape([-1, *example.shape[1:]])
        self._settings = {"INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32"}
        self._threads = threads
        self._compiled: dict[int, Any] = {}
        self._lock = threading.Lock()
        self._local = threading.local()

    def __call__(self, pixels: NDArray[np.uint8], *, streams: int) -> NDArray[np.float32]:
        """With `streams` callers at once in mind, each then has its share of the cores; safe to
        call from any thread."""
        requests = self._local.__dict__.setdefault("requests", {})
        if streams not in requests:
            requests[streams] = self._for(streams).create_infer_request()
        vectors: NDArray[np.float32] = requests[streams].infer([pixels])[0].copy()
        return vectors

    def _for(self, streams: int) -> Any:
        # Not before it is needed: the daemon never asks as a query does, the others never in bulk.
        with self._lock:
            if streams not in self._compiled:
                settings = {
                    **self._settings,
                    "NUM_STREAMS": str(streams),
                    "INFERENCE_NUM_THREADS": self._threads,
                }
                self._compiled[streams] = self._core.compile_model(self._model, "CPU", settings)
            return self._compiled[streams]


@contextmanager
def _manners_kept() -> Iterator[None]:
    """The tracer warns of every shape it takes for fixed, and a conversion that fails leaves the
    root logger at ERROR."""
    level = logging.root.level
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.root.setLevel(level)
