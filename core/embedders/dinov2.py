"""DINOv2, and any other timm model, as an Embedder; the only home of torch and timm."""

import hashlib
import logging
import os
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import safetensors
import safetensors.torch
import timm
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.embedders import EmbedderName, check_pixels, openvino
from core.embedders.weights import find_weights
from core.errors import ConfigError, ModelError
from core.preprocess import DEFAULT_METHOD, Preprocessing

_log = logging.getLogger(__name__)

Precision = Literal["fp32", "bf16"]
Backend = Literal["torch", "openvino"]

IMAGE_SIZE = 224
"""For DINOv2, whose timm default is 518: one or two points of mAP there cost four times as much."""
CPU_BATCH_SIZE = 8
"""A batch a core, each on one thread: 81 pictures a second on two AMX cores (4 at a time: 73, 16:
72 to 79 and 100 MB more; all cores on one batch of 16: 62 to 81, and 57 while decoders run)."""
GPU_BATCH_SIZE = 64
_LIKENESS = 0.998
"""Cosine of another backend's vector with torch's, of one picture, below which it is not used."""

_TIMM_NAMES = {
    f"dinov2_vit{letter}14{suffix}": f"vit_{size}_patch14_{timm_suffix}dinov2.lvd142m"
    for letter, size in [("s", "small"), ("b", "base"), ("l", "large"), ("g", "giant")]
    for suffix, timm_suffix in [("", ""), ("_reg", "reg4_")]
}
"""Names of facebookresearch/dinov2's hubconf -> timm's names of the same weights."""


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
    chosen = _device(device)
    file = find_weights(
        model_name, weights, environ, hub_repo=_pretrained_cfg(model_name).hf_hub_id
    )
    return TimmEmbedder(
        model_name,
        file,
        device=chosen,
        preprocessing=preprocessing,
        precision=precision,
        backend=backend,
    )


def describe_device(wanted: str) -> str:
    """What `model.device` comes to on this machine, for people. ConfigError as `open_embedder`."""
    device = _device(wanted)
    name = str(device)
    if device.type == "cuda":
        name += f" ({torch.cuda.get_device_name(device)})"
    elif device.type == "cpu":
        name += f" ({torch.get_num_threads()} threads)"
    return f"{name} in {'bf16' if _dtype(device, None) is torch.bfloat16 else 'fp32'}"


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
        self._device = device or _device("auto")
        size = _image_size(model_name, preprocessing)
        model = _build(model_name, size, device="meta")
        buffered = any(True for _ in model.buffers())
        if buffered:
            model = _build(model_name, size, device="cpu")  # some buffers are in no checkpoint
        # Running statistics (batch norm) need fp32; DINOv2 has none.
        self._dtype = _dtype(self._device, precision or ("fp32" if buffered else None))
        digest = _load(model, model_name, weights)
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
        forward = _Forward(model, self._dtype).eval().to(self._device)
        self._module: _Forward | None = forward
        self._alone = threading.Lock()
        probe = np.full((1, size, size, 3), 128, np.uint8)
        expected = self._by_torch(forward, probe)
        self.dim = self._checked(expected).shape[1]
        self._openvino: openvino.OpenVinoForward | None = None
        if on_cpu and backend != "torch" and (backend or openvino.is_installed()):
            self._openvino = self._converted(forward, probe, expected)

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

    def _by_torch(self, module: "_Forward", pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            batch = torch.tensor(pixels)
            if self._device.type == "cuda":  # pinned, the copy needs no second one and waits less
                batch = batch.pin_memory().to(self._device, non_blocking=True)
            vectors: NDArray[np.float32] = module(batch.to(self._device)).cpu().numpy()
        return vectors

    def _converted(
        self, module: "_Forward", probe: NDArray[np.uint8], expected: NDArray[np.float32]
    ) -> "openvino.OpenVinoForward | None":
        """The same by OpenVINO; None if that fails here, or gives other vectors."""
        try:
            converted = openvino.OpenVinoForward(
                module,
                torch.from_numpy(probe),
                bf16=self._dtype == torch.bfloat16,
                threads=self._threads,
            )
            likeness = float((converted(probe, streams=self.streams) * expected).sum())
        except Exception as error:  # noqa: BLE001 - a library that is only there for speed
            _log.warning("OpenVINO is left aside, torch embeds instead: %s", _first_line(error))
            return None
        if not likeness >= _LIKENESS:
            _log.warning(
                "OpenVINO is left aside, torch embeds instead: its vectors differ from torch's "
                "(cosine %.4f)",
                likeness,
            )
            return None
        self._module = None  # its weights are OpenVINO's now
        return converted

    def _checked(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        if not np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3):  # false for NaN, too
            raise ModelError(f"{self.name} gives vectors that are not finite; check its weights.")
        return vectors


class _Forward(torch.nn.Module):
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


def _timm_name(model_name: str) -> str:
    return _TIMM_NAMES.get(model_name, model_name)


def _is_dinov2(model_name: str) -> bool:
    return "dinov2" in model_name


def _pretrained_cfg(model_name: str) -> Any:
    name = _timm_name(model_name)
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


def _image_size(model_name: str, preprocessing: Preprocessing | None) -> int:
    """Pixels a side: for DINOv2 any multiple of its patches, for the others their own."""
    channels, height, width = _pretrained_cfg(model_name).input_size
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


def _build(model_name: str, size: int, *, device: str) -> Any:
    options: dict[str, Any] = {}
    if _is_dinov2(model_name):
        options = {"img_size": size, "global_pool": "token"}
    # On "meta" no memory is filled with random numbers that the checkpoint replaces anyway.
    with torch.device(device):
        return timm.create_model(_timm_name(model_name), pretrained=False, num_classes=0, **options)


def _load(model: Any, model_name: str, file: Path) -> str:
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
        raise ConfigError(f"{problem}{_first_line(error)}") from error
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
        raise ConfigError(f"{file} is no readable file of weights: {_first_line(error)}") from error
    for wrapper in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ConfigError(f"{file} holds something else than named tensors.")
    return {
        str(name): value.float() if value.is_floating_point() else value
        for name, value in state.items()
    }


def _first_line(error: Exception) -> str:
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


def _device(wanted: str) -> torch.device:
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


def _dtype(device: torch.device, precision: Precision | None) -> torch.dtype:
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
