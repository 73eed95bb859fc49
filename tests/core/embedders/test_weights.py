"""Where weights are looked for, and what is said when there are none."""

import http.server
import importlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.embedders.weights import HUB_DECISION_SECONDS, WeightsMissing, find_weights
from core.errors import ConfigError

REPO = "timm/tiny_model"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(http.server.BaseHTTPRequestHandler):
    """The two requests of a download: what the file is, and the file."""

    def do_HEAD(self) -> None:
        self._head()

    def do_GET(self) -> None:
        if self._head():
            self.wfile.write(b"tensors")

    def _head(self) -> bool:
        found = self.path == f"/{REPO}/resolve/main/model.safetensors" or COMMIT in self.path
        self.send_response(200 if found else 404)
        self.send_header("X-Repo-Commit", COMMIT)
        if not found:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.send_header("ETag", '"abc"')
        self.send_header("Content-Length", "7" if found else "0")
        self.end_headers()
        return found

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def hub() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def nowhere(tmp_path: Path) -> dict[str, str]:
    """No cache, and an address at which nobody listens."""
    return {"HF_HUB_CACHE": str(tmp_path / "cache"), "HF_ENDPOINT": "http://127.0.0.1:1"}


def filled(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_the_configured_file_comes_first(tmp_path: Path) -> None:
    folder = filled(tmp_path / "w", "tiny_model.safetensors", "mine.pth")
    environ = {"LOOKALIKE_WEIGHTS": str(folder)}
    assert find_weights("tiny_model", folder / "mine.pth", environ) == folder / "mine.pth"


def test_a_given_path_that_does_not_exist_is_a_mistake_in_the_configuration(
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigError, match=r"model\.weights names .*absent"):
        find_weights("tiny_model", tmp_path / "absent.pth", {})
    with pytest.raises(ConfigError, match=r"LOOKALIKE_WEIGHTS names .*absent"):
        find_weights("tiny_model", None, {"LOOKALIKE_WEIGHTS": str(tmp_path / "absent")})


def test_the_environment_may_name_a_file_of_any_name(tmp_path: Path) -> None:
    file = filled(tmp_path, "x.safetensors") / "x.safetensors"
    assert find_weights("tiny_model", None, {"LOOKALIKE_WEIGHTS": str(file)}) == file


@pytest.mark.parametrize(
    ("model", "names", "expected"),
    [
        ("dinov2_vits14", ["dinov2_vits14_pretrain.pth"], "dinov2_vits14_pretrain.pth"),
        ("dinov2_vits14", ["dinov2_vits14.pth", "dinov2_vits14_x.safetensors"], "_x.safetensors"),
        ("dinov2_vits14", ["dinov2_vits14_reg4_pretrain.pth"], None),
        ("dinov2_vits14_reg", ["dinov2_vits14_reg4_pretrain.pth"], "_reg4_pretrain.pth"),
        ("dinov2_vits14_reg", ["dinov2_vits14.pth", "dinov2_vits14_reg.pth"], "_reg.pth"),
        ("resnet50", ["resnet50d.pth", "resnet50.a1_in1k.safetensors"], "a1_in1k.safetensors"),
        ("resnet50", ["resnet50.txt", "other.pth"], None),
    ],
)
def test_a_folder_gives_the_file_named_after_the_model(
    tmp_path: Path, model: str, names: list[str], expected: str | None
) -> None:
    environ = nowhere(tmp_path) | {"LOOKALIKE_WEIGHTS": str(filled(tmp_path / "w", *names))}
    if expected is None:
        with pytest.raises(WeightsMissing):
            find_weights(model, None, environ)
    else:
        assert find_weights(model, None, environ).name.endswith(expected)


def test_a_download_is_kept_and_found_again_without_a_network(tmp_path: Path, hub: str) -> None:
    environ = nowhere(tmp_path)
    online = environ | {"HF_ENDPOINT": hub}
    file = find_weights("tiny_model", None, online, hub_repo=REPO)
    assert file.read_bytes() == b"tensors"
    assert find_weights("tiny_model", None, environ, hub_repo=REPO).samefile(file)


def test_a_repository_without_weights_is_a_sentence(tmp_path: Path, hub: str) -> None:
    environ = nowhere(tmp_path) | {"HF_ENDPOINT": hub}
    with pytest.raises(WeightsMissing, match=r"timm/none holds no model\.safetensors"):
        find_weights("tiny_model", None, environ, hub_repo="timm/none")


@pytest.mark.parametrize("offline", ["1", "true"])
def test_offline_means_no_question_is_asked(tmp_path: Path, hub: str, offline: str) -> None:
    environ = nowhere(tmp_path) | {"HF_ENDPOINT": hub, "HF_HUB_OFFLINE": offline}
    with pytest.raises(WeightsMissing, match="HF_HUB_OFFLINE"):
        find_weights("tiny_model", None, environ, hub_repo=REPO)


def test_without_a_network_the_sentence_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing) as caught:
        find_weights("tiny_model", None, nowhere(tmp_path), hub_repo=REPO)
    for part in [
        "tiny_model",
        f"https://huggingface.co/{REPO}/resolve/main/model.safetensors",
        "LOOKALIKE_WEIGHTS=",
        "model.weights",
        "model.fallback: colour-layout",
    ]:
        assert part in str(caught.value)


def test_a_hub_that_never_answers_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        environ = nowhere(tmp_path) | {"HF_ENDPOINT": f"http://127.0.0.1:{port}"}
        importlib.import_module("huggingface_hub")  # else measured, too
        begin = time.monotonic()
        with pytest.raises(WeightsMissing, match="does not give them"):
            find_weights("tiny_model", None, environ, hub_repo=REPO, hub_seconds=0.3)
        assert time.monotonic() - begin < HUB_DECISION_SECONDS
