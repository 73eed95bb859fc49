"""Opens an embedder by the name in the configuration, or by the one that an index carries."""

import os
from collections.abc import Mapping
from pathlib import Path

from core.embedders import Embedder, parse_name
from core.embedders.colour_layout import MODEL, ColourLayout
from core.embedders.openvino import Backend
from core.errors import ConfigError, ModelError
from core.preprocess import Preprocessing


def open_embedder(
    model_name: str,
    weights: Path | None = None,
    device: str = "auto",
    environ: Mapping[str, str] = os.environ,
    *,
    preprocessing: Preprocessing | None = None,
    backend: Backend | None = None,
) -> Embedder:
    """The embedder of a `model.name`. Imports torch only for a model that needs it.

    Args:
        weights: `model.weights`; None = look where `find_weights` looks.
        preprocessing: None = the model's own default.
        backend: None = the fastest there is.

    Raises:
        ConfigError: no such model or device, or weights that do not fit.
        WeightsMissing: the weights cannot be had at the moment.
    """
    if model_name == MODEL:
        layout = ColourLayout()
        if preprocessing not in (None, layout.preprocessing):
            raise ConfigError(f"{MODEL} knows no preprocessing but {layout.preprocessing}.")
        return layout
    from core.embedders.dinov2 import open_embedder as open_timm

    return open_timm(
        model_name, weights, device, environ, preprocessing=preprocessing, backend=backend
    )


def open_named(
    name: str,
    weights: Path | None = None,
    device: str = "auto",
    environ: Mapping[str, str] = os.environ,
    *,
    backend: Backend | None = None,
) -> Embedder:
    """The embedder whose `name` this is, with the preprocessing that the name says.

    Raises ModelError if the weights here make another one, and what `open_embedder` raises.
    """
    try:
        wanted = parse_name(name)
    except ValueError as error:
        raise ModelError(
            f"The index was made by {name}, which this version of Lookalike does not know."
        ) from error
    chosen = None if wanted.model == MODEL else wanted.preprocessing
    embedder = open_embedder(
        wanted.model, weights, device, environ, preprocessing=chosen, backend=backend
    )
    if embedder.name != name:
        raise ModelError(
            f"The index was made by {name}, but what is here makes {embedder.name}. Use the "
            "weights and the version of Lookalike that the index was made with."
        )
    return embedder


def describe_device(model_name: str, device: str) -> str:
    """Where the model computes on this machine, for people: `cpu (2 threads) in bf16`."""
    if model_name == MODEL:
        return "cpu"
    from core.embedders.dinov2_device import describe_device as describe

    return describe(device)
