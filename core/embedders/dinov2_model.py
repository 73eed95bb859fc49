"""Builds a timm model and fills it from a file of weights, which may come from anywhere."""

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import timm
import torch
from torch import Tensor

from core.errors import ConfigError
from core.preprocess import Preprocessing

IMAGE_SIZE = 224
"""For DINOv2, whose timm default is 518: one or two points of mAP there cost four times as much."""

_TIMM_NAMES = {
    f"dinov2_vit{letter}14{suffix}": f"vit_{size}_patch14_{timm_suffix}dinov2.lvd142m"
    for letter, size in [("s", "small"), ("b", "base"), ("l", "large"), ("g", "giant")]
    for suffix, timm_suffix in [("", ""), ("_reg", "reg4_")]
}
"""Names of facebookresearch/dinov2's hubconf -> timm's names of the same weights."""


def timm_name(model_name: str) -> str:
    """What timm calls a `model.name`."""
    return _TIMM_NAMES.get(model_name, model_name)


def _is_dinov2(model_name: str) -> bool:
    return "dinov2" in model_name


def pretrained_cfg(model_name: str) -> Any:
    """timm's description of the model; ConfigError if it knows none."""
    name = timm_name(model_name)
    architecture, _, tag = name.partition(".")
    # Asked first, for timm would follow "hf-hub:..." and "local-dir:..." to files elsewhere.
    known = ":" not in name and timm.is_model(architecture)
    if known and (not tag or name in timm.list_pretrained(architecture)):
        return timm.get_pretrained_cfg(name)
    raise ConfigError(
        f"model.name: there is no model {model_name}; give dinov2_vits14, dinov2_vitb14, "
        "dinov2_vitl14 or dinov2_vitg14 (each also with _reg), colour-layout, or a name that "
        "timm.list_models() knows."
    )


def image_size(model_name: str, preprocessing: Preprocessing | None) -> int:
    """Pixels a side: for DINOv2 any multiple of its patches, for the others their own."""
    channels, height, width = pretrained_cfg(model_name).input_size
    wanted = preprocessing.size if preprocessing else None
    if _is_dinov2(model_name):
        size, fits = wanted or IMAGE_SIZE, (wanted or IMAGE_SIZE) % 14 == 0
    else:
        size, fits = height, wanted in (None, height)
    if not fits or channels != 3 or height != width:
        raise ConfigError(
            f"{model_name} cannot take {wanted or size} x {wanted or size} RGB pixels: it expects "
            f"{channels} x {height} x {width}."
        )
    return size


def build(model_name: str, size: int, *, device: str) -> Any:
    """The model without its weights, for pictures of `size` pixels a side."""
    options: dict[str, Any] = {}
    if _is_dinov2(model_name):
        options = {"img_size": size, "global_pool": "token"}
    # On "meta" no memory is filled with random numbers that the checkpoint replaces anyway.
    with torch.device(device):
        return timm.create_model(timm_name(model_name), pretrained=False, num_classes=0, **options)


def fill(model: Any, model_name: str, file: Path) -> str:
    """Fills `model` from `file`; returns the digest of the tensors it uses.

    Digest: SHA-256 over the tensors in the order of their timm names, of each the name, the shape
    and the values as little-endian float32; the position embedding as it was before it is
    resampled, so that neither the machine nor the file format matters. First 12 hex digits.
    """
    problem = f"The weights in {file} do not fit model.name {model_name}: "
    state = _read(file)
    try:
        if _is_dinov2(model_name):
            # By this key timm knows DINOv2's own names (w12, register_tokens); copies may lack it.
            state.setdefault("mask_token", torch.zeros(1))
            position, model.pos_embed = model.pos_embed, None  # so that it is not resampled yet
            state = _timm_keys(state, model)
            model.pos_embed = position
        else:
            state = _timm_keys(state, model)
        wanted = model.state_dict()
        used = {name: state[name] for name in sorted(wanted) if name in state}
        fitted = _timm_keys(used, model)
    except Exception as error:  # timm's rules say nothing of what a foreign file makes them raise
        raise ConfigError(f"{problem}{first_line(error)}") from error
    counters = {name for name in wanted if name.endswith("num_batches_tracked")}
    heads = model.pretrained_cfg.get("classifier") or ()
    heads = tuple(f"{head}." for head in ([heads] if isinstance(heads, str) else heads))
    differences = [
        *(f"{name} is missing" for name in sorted(wanted.keys() - fitted.keys() - counters)),
        *(
            f"{name} is {tuple(fitted[name].shape)}, not {tuple(wanted[name].shape)}"
            for name in sorted(fitted.keys() - counters)
            if fitted[name].shape != wanted[name].shape
        ),
        *(
            f"{name} has no place in the model"  # more blocks, register tokens: another model
            for name in sorted(state.keys() - wanted.keys())
            if hasattr(model, name.partition(".")[0]) and not name.startswith(heads)
        ),
    ]
    if differences:
        more = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
        raise ConfigError(f"{problem}{'; '.join(differences[:3])}{more}.")
    model.load_state_dict(fitted, strict=False, assign=True)
    return _digest({name: tensor for name, tensor in used.items() if name not in counters})


def _read(file: Path) -> dict[str, Tensor]:
    """The tensors of a file as float32. Pickles may hold tensors and nothing else."""
    try:
        if file.suffix == ".safetensors":
            state: Any = safetensors.torch.load_file(file)
        elif file.suffix in {".pth", ".pt", ".bin"}:
            state = torch.load(file, map_location="cpu", weights_only=True)
        else:
            raise ConfigError(f"{file}: weights are .safetensors, .pth, .pt or .bin files.")
    except ConfigError:
        raise
    except Exception as error:  # torch.load raises whatever a broken or hostile pickle makes it
        raise ConfigError(f"{file} is no readable file of weights: {first_line(error)}") from error
    for wrapper in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ConfigError(f"{file} holds something else than named tensors.")
    return {
        str(name): value.float() if value.is_floating_point() else value
        for name, value in state.items()
    }


def first_line(error: Exception) -> str:
    """What a library says, without its explanations."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _timm_keys(state: dict[str, Tensor], model: Any) -> dict[str, Tensor]:
    """The checkpoint in timm's names and the model's shapes, where the family has such a rule."""
    rule = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    return dict(rule(dict(state), model)) if rule else state


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
        digest.update(np.ascontiguousarray(tensor.float().numpy(), dtype="<f4").data)
    return digest.hexdigest()[:12]
