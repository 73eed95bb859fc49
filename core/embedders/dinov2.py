"""DINOv2, and any other timm model, as an Embedder."""

import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from core.embedders import EmbedderName, check_pixels, openvino
from core.embedders.dinov2_device import Precision, choose_device, choose_dtype
from core.embedders.dinov2_forward import Forward, by_openvino
from core.embedders.dinov2_model import build, fill, image_size, pretrained_cfg
from core.embedders.openvino import Backend
from core.embedders.weights import find_weights
from core.errors import ModelError
from core.preprocess import DEFAULT_METHOD, Preprocessing

CPU_BATCH_SIZE = 8
"""A batch a core, each on one thread: 81 pictures a second on two AMX cores (4 at a time: 73, 16:
72 to 79 and 100 MB more; all cores on one batch of 16: 62 to 81, and 57 while decoders run)."""
GPU_BATCH_SIZE = 64


def open_embedder(
    model_name: str,
    weights: Path | None = None,
    device: str = "auto",
    environ: Mapping[str, str] = os.environ,
    *,
    preprocessing: Preprocessing | None = None,
    precision: Precision | None = None,
    backend: Backend | None = None,
) -> "TimmEmbedder":
    """The model of this name with the weights that `find_weights` finds.

    Raises:
        ConfigError: no such model or device, a path that does not exist, weights that do not fit.
        WeightsMissing: the weights cannot be had at the moment.
    """
    chosen = choose_device(device)
    file = find_weights(model_name, weights, environ, hub_repo=pretrained_cfg(model_name).hf_hub_id)
    return TimmEmbedder(
        model_name,
        file,
        device=chosen,
        preprocessing=preprocessing,
        precision=precision,
        backend=backend,
    )


class TimmEmbedder:
    """The class token (DINOv2) or timm's pooled features of a picture, at unit length."""

    def __init__(
        self,
        model_name: str,
        weights: Path,
        *,
        device: torch.device | None = None,
        preprocessing: Preprocessing | None = None,
        precision: Precision | None = None,
        backend: Backend | None = None,
    ) -> None:
        """Loads the model; reads no network.

        Args:
            preprocessing: by default DEFAULT_METHOD at the model's own size.
            precision: by default bf16 where the device computes it in hardware, else fp32.
            backend: by default the fastest there is: on a CPU OpenVINO where it is installed.

        Raises:
            ConfigError: `weights` are not readable or do not fit `model_name`.
        """
        self._device = device or choose_device("auto")
        size = image_size(model_name, preprocessing)
        model = build(model_name, size, device="meta")
        buffered = any(True for _ in model.buffers())
        if buffered:
            model = build(model_name, size, device="cpu")  # some buffers are in no checkpoint
        # Running statistics (batch norm) need fp32; DINOv2 has none.
        self._dtype = choose_dtype(self._device, precision or ("fp32" if buffered else None))
        digest = fill(model, model_name, weights)
        self.preprocessing = preprocessing or Preprocessing(DEFAULT_METHOD, size)
        self.name = str(EmbedderName(model_name, digest, self.preprocessing))
        on_cpu = self._device.type == "cpu"
        self.batch_size = CPU_BATCH_SIZE if on_cpu else GPU_BATCH_SIZE
        self.streams = torch.get_num_threads() if on_cpu else 1
        self._threads = torch.get_num_threads()
        self._bulk = ThreadPoolExecutor(
            self.streams,
            "embedder",
            # Per thread (OpenMP's own setting). One thread a batch and a batch a core: while
            # decoders run beside, all cores on one batch would wait for the slowest at every step.
            initializer=(lambda: torch.set_num_threads(1)) if on_cpu else None,
        )
        forward = Forward(model, self._dtype).eval().to(self._device)
        self._module: Forward | None = forward
        self._alone = threading.Lock()
        probe = np.full((1, size, size, 3), 128, np.uint8)
        expected = self._by_torch(forward, probe)
        self.dim = self._checked(expected).shape[1]
        self._openvino: openvino.OpenVinoForward | None = None
        if on_cpu and backend != "torch" and (backend or openvino.is_installed()):
            self._openvino = by_openvino(
                forward, probe, expected, threads=self._threads, streams=self.streams
            )
            if self._openvino:
                self._module = None  # its weights are OpenVINO's now

    @property
    def backend(self) -> Backend:
        """What computes the vectors; no part of their name."""
        return "openvino" if self._openvino else "torch"

    @property
    def precision(self) -> Precision:
        """What it computes in."""
        return "bf16" if self._dtype == torch.bfloat16 else "fp32"

    def module(self) -> torch.nn.Module:
        """Pixels to vectors by torch, to be compiled or exported; only with that backend."""
        assert self._module, "the weights are OpenVINO's"
        return self._module

    def embed(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, size, size, 3) sRGB pixels -> (n, dim) vectors, finite, unit length.

        Batches of `batch_size` go through the model, `streams` at once; few pictures, as a query
        is, take every core for themselves. Safe to call from any thread.
        """
        check_pixels(pixels, self.preprocessing.size)
        if not len(pixels):
            return np.empty((0, self.dim), np.float32)
        if len(pixels) < self.batch_size // 2:
            with self._alone:
                if torch.get_num_threads() != self._threads:
                    torch.set_num_threads(self._threads)
                return self._checked(self._forward(pixels, streams=1))
        starts = range(0, len(pixels), self.batch_size)
        parts = [pixels[start : start + self.batch_size] for start in starts]
        in_bulk = partial(self._forward, streams=self.streams)
        return self._checked(np.concatenate(list(self._bulk.map(in_bulk, parts))))

    def _forward(self, pixels: NDArray[np.uint8], *, streams: int) -> NDArray[np.float32]:
        if self._openvino:
            size = openvino.BATCH_SIZE
            starts = range(0, len(pixels), size)
            parts = (pixels[start : start + size] for start in starts)
            return np.concatenate([self._openvino(part, streams=streams) for part in parts])
        assert self._module
        return self._by_torch(self._module, pixels)

    def _by_torch(self, module: Forward, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            batch = torch.tensor(pixels)
            if self._device.type == "cuda":  # pinned, the copy needs no second one and waits less
                batch = batch.pin_memory().to(self._device, non_blocking=True)
            vectors: NDArray[np.float32] = module(batch.to(self._device)).cpu().numpy()
        return vectors

    def _checked(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        if not np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3):  # false for NaN, too
            raise ModelError(f"{self.name} gives vectors that are not finite; check its weights.")
        return vectors
