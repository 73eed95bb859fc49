"""The forward pass of a timm model, by torch, and by OpenVINO where that gives the same vectors."""

import logging
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.embedders.dinov2_model import first_line
from core.embedders.openvino import OpenVinoForward

_log = logging.getLogger(__name__)

_LIKENESS = 0.998
"""Cosine of another backend's vector with torch's, of one picture, below which it is not used."""


class Forward(torch.nn.Module):
    """(n, size, size, 3) uint8 -> unit vectors: a model with its normalisation before and ours
    after it."""

    mean: Tensor
    scale: Tensor

    def __init__(self, model: Any, dtype: torch.dtype) -> None:
        super().__init__()
        self.model = model.to(dtype)
        self.dtype = dtype
        mean, std = (model.pretrained_cfg[name] for name in ("mean", "std"))
        self.register_buffer("mean", _channels([255 * value for value in mean]), persistent=False)
        self.register_buffer(
            "scale", _channels([1 / (255 * value) for value in std]), persistent=False
        )

    def forward(self, pixels: Tensor) -> Tensor:
        # a view, so the memory stays (n, height, width, 3): channels_last without a copy
        batch = pixels.permute(0, 3, 1, 2).float()
        features = self.model(((batch - self.mean) * self.scale).to(self.dtype))
        return torch.nn.functional.normalize(features.flatten(1).float(), dim=1)


def _channels(values: list[float]) -> Tensor:
    return torch.tensor(values).view(1, 3, 1, 1)


def by_openvino(
    forward: Forward,
    probe: NDArray[np.uint8],
    expected: NDArray[np.float32],
    *,
    threads: int,
    streams: int,
) -> OpenVinoForward | None:
    """The same by OpenVINO; None if that fails here, or if what it makes of `probe` is not what
    torch makes of it, which is `expected`."""
    try:
        converted = OpenVinoForward(
            forward,
            torch.from_numpy(probe),
            bf16=forward.dtype == torch.bfloat16,
            threads=threads,
        )
        likeness = float((converted(probe, streams=streams) * expected).sum())
    except Exception as error:  # noqa: BLE001 - a library that is only there for speed
        _log.warning("OpenVINO is left aside, torch embeds instead: %s", first_line(error))
        return None
    if not likeness >= _LIKENESS:
        _log.warning(
            "OpenVINO is left aside, torch embeds instead: its vectors differ from torch's "
            "(cosine %.4f)",
            likeness,
        )
        return None
    return converted
