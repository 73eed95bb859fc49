"""What the shared model loads."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
from safetensors.torch import save_file  # noqa: E402

from core.embedders.dinov2 import TimmEmbedder  # noqa: E402
from core.serving.wanted import Wanted  # noqa: E402


def test_it_computes_by_torch_where_openvino_is_installed_too(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    file = tmp_path / "test_vit.safetensors"
    save_file(timm.create_model("test_vit", pretrained=False).state_dict(), file)
    assert TimmEmbedder("test_vit", file).backend == "openvino"
    shared = Wanted(None, "test_vit", str(file), "cpu").open()
    assert isinstance(shared, TimmEmbedder)
    assert shared.backend == "torch"
    named = Wanted(shared.name, "test_vit", str(file), "cpu").open()
    assert isinstance(named, TimmEmbedder)
    assert named.backend == "torch"
