"""What `lookalike models` says without torch is what the models are."""

import pytest
import timm
import torch

from core.embedders.colour_layout import ColourLayout
from core.embedders.dinov2_model import timm_name
from core.embedders.known import KNOWN, KnownModel


@pytest.mark.parametrize("model", KNOWN[1:], ids=lambda model: model.name)
def test_a_known_model_is_as_we_say(model: KnownModel) -> None:
    with torch.device("meta"):
        built = timm.create_model(timm_name(model.name), pretrained=False, num_classes=0)
    assert built.num_features == model.dim
    assert 4 * sum(parameter.numel() for parameter in built.parameters()) == model.weights_bytes
    assert built.pretrained_cfg["hf_hub_id"] == model.hub_repo
    assert built.pretrained_cfg["license"] == str(model.licence).lower()


def test_the_preview_is_as_we_say() -> None:
    assert (KNOWN[0].name, KNOWN[0].dim) == (ColourLayout().name.partition("/")[0], 505)
    assert ColourLayout().dim == KNOWN[0].dim
