"""timm models: what fits, what is refused, and the real weights against a reference."""

import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from core.embedders.opening import open_embedder, open_named
from core.embedders.weights import WeightsMissing
from core.errors import ConfigError, ModelError
from core.preprocess import DEFAULT_METHOD, Preprocessing

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
from safetensors.torch import load_file, save_file  # noqa: E402
from torchvision import transforms  # noqa: E402

from core.embedders.dinov2 import TimmEmbedder  # noqa: E402

TINY = "test_vit"  # timm's own model for tests: 0.4 M parameters, 160 x 160
SHARED = Path(__file__).resolve().parents[4] / "shared"
REGISTERS = "vit_small_patch14_reg4_dinov2.lvd142m"
GOLDEN = [-0.0353, 0.0345, 0.0023, -0.1321, 0.0125, -0.0266, -0.017, 0.0036]


def weights(model_name: str) -> Path:
    """The real weights of a model, or a visible skip."""
    from core.embedders.weights import in_folder

    given = Path(os.environ.get("LOOKALIKE_WEIGHTS") or SHARED / "weights")
    found = given if given.is_file() else given.is_dir() and in_folder(given, model_name)
    if not found or model_name not in found.name:
        pytest.skip(f"no weights of {model_name}: set LOOKALIKE_WEIGHTS")
    return found


def drawn(width: int = 400, height: int = 300) -> Image.Image:
    """A picture that every machine draws the same: whole numbers only, no anti-aliasing."""
    row, column = np.indices((height, width))
    channels = [row * 255 // height, column * 255 // width, (row + column) % 256]
    picture = Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((60, 80, 180, 220), fill=(200, 30, 30))
    draw.polygon([(250, 40), (370, 150), (260, 260)], fill=(20, 60, 180))
    return picture


def tiny(name: str = TINY) -> dict[str, "torch.Tensor"]:
    torch.manual_seed(0)
    state: dict[str, torch.Tensor] = timm.create_model(name, pretrained=False).state_dict()
    return state


@pytest.fixture(scope="module")
def tiny_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("weights") / "test_vit.safetensors"
    save_file(tiny(), file)
    return file


def test_any_timm_model_embeds_at_its_own_size(tiny_file: Path) -> None:
    embedder = TimmEmbedder(TINY, tiny_file)
    assert embedder.preprocessing.size == 160
    pixels = np.stack([np.zeros((160, 160, 3), np.uint8), np.full((160, 160, 3), 255, np.uint8)])
    vectors = embedder.embed(pixels)
    assert (vectors.shape, vectors.dtype) == ((2, embedder.dim), np.float32)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert embedder.embed(pixels[:0]).shape == (0, embedder.dim)
    with pytest.raises(ValueError, match="expected"):
        embedder.embed(pixels[:, :64, :64])


def test_a_convolutional_model_keeps_its_buffers(tmp_path: Path) -> None:
    file = tmp_path / "test_resnet.pth"
    torch.save(tiny("test_resnet"), file)
    embedder = TimmEmbedder("test_resnet", file, precision="fp32")
    model = timm.create_model("test_resnet", pretrained=False, num_classes=0).eval()
    model.load_state_dict(torch.load(file, weights_only=True), strict=False)
    pixels = embedder.preprocessing(drawn())[None]
    assert embedder.embed(pixels)[0] @ reference(model, pixels[0]) > 0.9999


def test_the_digest_is_of_the_values_not_of_the_file(tiny_file: Path, tmp_path: Path) -> None:
    state = tiny()
    without_head = {name: value for name, value in state.items() if not name.startswith("head.")}
    torch.save({"model": dict(reversed(without_head.items()))}, tmp_path / "a.pth")
    name = TimmEmbedder(TINY, tiny_file).name
    assert TimmEmbedder(TINY, tmp_path / "a.pth").name == name
    state["norm.bias"] = state["norm.bias"] + 0.5
    save_file(state, tmp_path / "b.safetensors")
    assert TimmEmbedder(TINY, tmp_path / "b.safetensors").name != name


@pytest.mark.slow
def test_the_official_names_of_a_model_with_registers_give_the_same_embedder(
    tmp_path: Path,
) -> None:
    torch.manual_seed(0)
    with torch.device("meta"):
        shapes = timm.create_model(REGISTERS, pretrained=False).state_dict()
    official = {name: torch.randn(value.shape) / 50 for name, value in shapes.items()}
    joined = torch.cat([torch.zeros(1, 1, 384), official["pos_embed"]], dim=1)
    save_file(official, tmp_path / "timm.safetensors")
    official |= {"pos_embed": joined, "register_tokens": official.pop("reg_token")}
    torch.save(official, tmp_path / "official.pth")  # published with a mask_token, this one without
    converted = TimmEmbedder("dinov2_vits14_reg", tmp_path / "official.pth")
    assert converted.name == TimmEmbedder("dinov2_vits14_reg", tmp_path / "timm.safetensors").name
    with pytest.raises(ConfigError, match=r"official\.pth do not fit model\.name dinov2_vits14:"):
        TimmEmbedder("dinov2_vits14", tmp_path / "official.pth")


def without(name: str) -> dict[str, "torch.Tensor"]:
    state = tiny()
    del state[name]
    return state


@pytest.mark.parametrize(
    ("state", "difference"),
    [
        (lambda: without("blocks.5.mlp.fc1.bias"), "blocks.5.mlp.fc1.bias is missing"),
        (lambda: tiny() | {"norm.bias": torch.zeros(7)}, r"norm.bias is \(7,\), not \(64,\)"),
        (lambda: tiny() | {"blocks.6.norm1.bias": torch.zeros(64)}, "no place in the model"),
        (lambda: tiny("test_resnet"), "blocks.0.attn.proj.bias is missing"),
        (lambda: {"pos_embed": torch.zeros(3)}, "tuple index out of range"),
    ],
    ids=["a tensor too few", "another shape", "a block too many", "another model", "a fragment"],
)
def test_weights_that_do_not_fit_say_where(
    tmp_path: Path, state: Callable[[], dict[str, "torch.Tensor"]], difference: str
) -> None:
    file = tmp_path / "some.safetensors"
    save_file(state(), file)
    with pytest.raises(
        ConfigError, match=rf"some\.safetensors do not fit .*{difference}"
    ) as caught:
        TimmEmbedder(TINY, file)
    assert caught.value.exit_code == 78


class Hostile:
    """Unpickling it would create a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, (str(self.file),))


def test_a_hostile_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Hostile(tmp_path / "run")))
    torch.save({"norm.bias": Hostile(tmp_path / "run")}, tmp_path / "zip.pth")
    for name in ["plain.pth", "zip.pth"]:
        with pytest.raises(ConfigError, match="no readable file of weights"):
            TimmEmbedder(TINY, tmp_path / name)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.safetensors", b"nonsense"), ("a.pth", b""), ("a.h5", b"x"), ("a.bin", pickle.dumps([1]))],
)
def test_a_file_that_holds_no_weights_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=name):
        TimmEmbedder(TINY, tmp_path / name)


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    save_file(tiny() | {"norm.bias": torch.full((64,), torch.nan)}, tmp_path / "x.safetensors")
    with pytest.raises(ModelError, match="not finite"):
        TimmEmbedder(TINY, tmp_path / "x.safetensors")


@pytest.mark.parametrize("name", ["no_such_model", "hf-hub:timm/x", "local-dir:x", "resnet50.none"])
def test_an_unknown_model_is_a_sentence(name: str) -> None:
    with pytest.raises(ConfigError, match=f"there is no model {name}"):
        open_embedder(name, environ={})


def test_cuda_where_there_is_none_is_a_sentence(tiny_file: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(ConfigError, match=r"model\.device: cuda"):
        open_embedder(TINY, tiny_file, "cuda")


def test_an_index_of_other_weights_is_a_sentence(tiny_file: Path) -> None:
    name = open_embedder(TINY, tiny_file).name
    other = name.rpartition("/")[0] + "/official-160"
    assert open_named(other, tiny_file).name == other  # the preprocessing is the index's, not ours
    with pytest.raises(ModelError, match="but what is here makes") as caught:
        open_named(f"{TINY}/000000000000/stretch-160", tiny_file)
    assert not isinstance(caught.value, WeightsMissing)


@pytest.mark.parametrize("size", [(640, 480), (300, 401), (224, 224), (100, 333), (57, 31)])
def test_the_official_preprocessing_is_torchvisions(size: tuple[int, int]) -> None:
    bicubic = transforms.InterpolationMode.BICUBIC
    reference = transforms.Compose([transforms.Resize(256, bicubic), transforms.CenterCrop(224)])
    expected = np.asarray(reference(drawn(*size)))
    assert np.array_equal(Preprocessing("official", 224)(drawn(*size)), expected)


def reference(model: "torch.nn.Module", pixels: np.ndarray) -> np.ndarray:
    """Step by step, as timm's documentation does it."""
    config = timm.data.resolve_model_data_config(model)
    to_tensor = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize(config["mean"], config["std"])]
    )
    with torch.inference_mode():
        features = model(to_tensor(Image.fromarray(pixels))[None])[0]
    return (features / features.norm()).numpy()


@pytest.mark.model
@pytest.mark.parametrize("method", ["official", DEFAULT_METHOD])
def test_dinov2_equals_a_reference_pipeline(method: str) -> None:
    file = weights("dinov2_vits14")
    chosen = Preprocessing(method, 224)
    embedder = TimmEmbedder("dinov2_vits14", file, preprocessing=chosen, precision="fp32")
    model = timm.create_model(
        "vit_small_patch14_dinov2.lvd142m", pretrained=False, num_classes=0, img_size=224
    ).eval()
    state = {name: value.float() for name, value in load_file(file).items()}
    model.load_state_dict(timm.models.vision_transformer.checkpoint_filter_fn(state, model))
    pixels = np.stack([chosen(drawn()), chosen(drawn(200, 333))])
    vectors = embedder.embed(pixels)
    for vector, picture in zip(vectors, pixels, strict=True):
        assert vector @ reference(model, picture) >= 0.9999


@pytest.mark.model
def test_deit_tiny_equals_a_reference_pipeline() -> None:
    file = weights("deit_tiny_patch16_224")
    embedder = TimmEmbedder("deit_tiny_patch16_224", file, precision="fp32")
    model = timm.create_model("deit_tiny_patch16_224", pretrained=False, num_classes=0).eval()
    model.load_state_dict({name: v.float() for name, v in load_file(file).items()}, strict=False)
    pixels = embedder.preprocessing(drawn())
    assert embedder.embed(pixels[None])[0] @ reference(model, pixels) >= 0.9999


@pytest.mark.slow
@pytest.mark.model
def test_the_container_does_not_change_a_name(tmp_path: Path) -> None:
    file = weights("dinov2_vits14")
    official = {name: value.float() for name, value in load_file(file).items()}
    torch.save(official, tmp_path / "dinov2_vits14_pretrain.pth")
    official.pop("mask_token", None)
    save_file(official, tmp_path / "model.safetensors")
    names = {TimmEmbedder("dinov2_vits14", path).name for path in [file, *tmp_path.iterdir()]}
    assert len(names) == 1


@pytest.mark.model
def test_the_golden_vector() -> None:
    file = weights("dinov2_vits14")
    chosen = Preprocessing("stretch", 224)
    embedder = TimmEmbedder("dinov2_vits14", file, preprocessing=chosen, precision="fp32")
    if embedder.name != "dinov2_vits14/6b6330a74ff0/stretch-224":
        pytest.skip(f"the golden vector is of other weights than {embedder.name}")
    vector = embedder.embed(chosen(drawn())[None])[0]
    assert vector[:8] == pytest.approx(GOLDEN, abs=1e-3)


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.timeout(300)  # 8 s on two idle cores
def test_bf16_stays_close_to_fp32() -> None:
    file = weights("dinov2_vits14")
    pictures = sorted((SHARED / "data" / "caltech101").glob("*/image_0001.jpg"))
    if not pictures:
        pytest.skip("no pictures in ../shared/data/caltech101")
    exact = TimmEmbedder("dinov2_vits14", file, precision="fp32")
    pixels = np.stack([exact.preprocessing(Image.open(p).convert("RGB")) for p in pictures])
    fast = TimmEmbedder("dinov2_vits14", file, precision="bf16")
    cosines = (exact.embed(pixels) * fast.embed(pixels)).sum(axis=1)
    assert fast.name == exact.name
    assert cosines.mean() >= 0.9995
    assert cosines.min() >= 0.998


def test_a_backend_that_fails_leaves_the_work_to_torch(
    tiny_file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)  # importing it fails
    embedder = TimmEmbedder(TINY, tiny_file, backend="openvino")
    assert "torch embeds instead" in caplog.text
    pixels = np.full((1, 160, 160, 3), 90, np.uint8)
    expected = TimmEmbedder(TINY, tiny_file, backend="torch")
    assert np.allclose(embedder.embed(pixels), expected.embed(pixels), atol=1e-5)
    assert embedder.name == expected.name


def test_openvino_gives_torchs_vectors_by_the_piece_and_in_bulk(tiny_file: Path) -> None:
    pytest.importorskip("openvino")
    pixels = np.random.default_rng(1).integers(0, 256, (11, 160, 160, 3), np.uint8)
    exact = TimmEmbedder(TINY, tiny_file, precision="fp32", backend="torch")
    fast = TimmEmbedder(TINY, tiny_file, precision="fp32", backend="openvino")
    assert fast.backend == "openvino"
    assert fast.name == exact.name
    for count in (1, 8, 11):
        likeness = (exact.embed(pixels[:count]) * fast.embed(pixels[:count])).sum(axis=1)
        assert (likeness >= 0.99999).all()
