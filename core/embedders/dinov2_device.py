"""Where a model computes, and in which precision: what was asked for, or the best there is here."""

from collections.abc import Mapping
from typing import Any, Literal

import torch

from core.errors import ConfigError

Precision = Literal["fp32", "bf16"]


def choose_device(wanted: str) -> torch.device:
    """The device of `model.device`; ConfigError if this machine has none such."""
    if wanted == "auto":
        has_mps = torch.backends.mps.is_available()
        wanted = "cuda" if torch.cuda.is_available() else "mps" if has_mps else "cpu"
    device = torch.device(wanted)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"model.device: {wanted} is not there (torch sees {torch.cuda.device_count()} CUDA "
            "devices); give cpu or auto."
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("model.device: mps needs an Apple GPU; give cpu or auto.")
    return device


def choose_dtype(device: torch.device, precision: Precision | None = None) -> torch.dtype:
    """By default bf16 where the device computes it in hardware, else fp32."""
    if precision is not None:
        return torch.bfloat16 if precision == "bf16" else torch.float32
    if device.type == "cuda":
        fast = torch.cuda.get_device_capability(device) >= (8, 0)
    elif device.type == "cpu":
        # avx512_bf16, amx_bf16; bf16, sve_bf16 on Arm. Emulated it would be slower than fp32.
        capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
        fast = any("bf16" in name and value for name, value in capabilities.items())
    else:
        fast = False
    return torch.bfloat16 if fast else torch.float32


def describe_device(wanted: str) -> str:
    """What `model.device` comes to on this machine, for people. ConfigError as `open_embedder`."""
    device = choose_device(wanted)
    name = str(device)
    if device.type == "cuda":
        name += f" ({torch.cuda.get_device_name(device)})"
    elif device.type == "cpu":
        name += f" ({torch.get_num_threads()} threads)"
    return f"{name} in {'bf16' if choose_dtype(device) is torch.bfloat16 else 'fp32'}"
