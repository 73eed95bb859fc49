"""Where a model's weights are: a file we are given, the Hugging Face cache, or a download."""

import logging
import os
import queue
import threading
from collections.abc import Mapping
from pathlib import Path

from core.errors import ConfigError, ModelError

_log = logging.getLogger(__name__)

SUFFIXES = (".safetensors", ".pth")
HUB_FILES = ("model.safetensors", "pytorch_model.bin")
"""What timm publishes, the one we prefer first."""
HUB_DECISION_SECONDS = 5.0
"""Until the hub must have answered; a missing network is said within 10 s, imports included."""


class WeightsMissing(ModelError):  # noqa: N818 - it reads as the sentence it is
    """The weights cannot be had here and now; trying again later may help."""

    def __init__(self, sentence: str, hub_repo: str | None = None) -> None:
        """`hub_repo` is where they are published."""
        super().__init__(sentence)
        self.hub_repo = hub_repo


def find_weights(
    model_name: str,
    configured: Path | None,
    environ: Mapping[str, str],
    *,
    hub_repo: str | None = None,
    hub_seconds: float = HUB_DECISION_SECONDS,
) -> Path:
    """The weights file of `model_name`.

    Order: `configured` (model.weights), LOOKALIKE_WEIGHTS (a file, or a folder that holds
    `<model_name>*.safetensors` or `.pth`), the Hugging Face cache, a download from the hub.

    Args:
        environ: LOOKALIKE_WEIGHTS, and what huggingface_hub reads (HF_ENDPOINT, HF_HUB_OFFLINE,
            HF_HOME, HF_HUB_CACHE); proxies are taken from the process' own environment.
        hub_repo: such as "timm/vit_small_patch14_dinov2.lvd142m"; None = not published.
        hub_seconds: how long to wait until the hub says whether it has the file.

    Raises:
        ConfigError: a path that was given does not exist.
        WeightsMissing: nothing is found; without a network within 10 s.
    """
    if found := local_weights(model_name, configured, environ, hub_repo=hub_repo):
        return found[0]
    given = environ.get("LOOKALIKE_WEIGHTS")
    looked = f"{given} holds no {model_name}*.safetensors or .pth, and " if given else ""
    if hub_repo is None:
        raise _missing(model_name, f"{looked}timm knows no hub repository that has them", None)
    try:
        return _download(hub_repo, environ, hub_seconds)
    except _NotDownloadedError as error:
        raise _missing(model_name, f"{looked}{error}", hub_repo) from error


def local_weights(
    model_name: str, configured: Path | None, environ: Mapping[str, str], *, hub_repo: str | None
) -> tuple[Path, str] | None:
    """The file and where it was found, by find_weights' order; None = it must be downloaded.
    ConfigError as find_weights."""
    if configured is not None:
        return _given_file(configured, "model.weights"), "model.weights"
    if given := environ.get("LOOKALIKE_WEIGHTS"):
        path = Path(given).expanduser()
        if not path.is_dir():
            return _given_file(path, "LOOKALIKE_WEIGHTS"), "LOOKALIKE_WEIGHTS"
        if found := in_folder(path, model_name):
            return found, "LOOKALIKE_WEIGHTS"
    if hub_repo and (cached := _cached(hub_repo, environ)):
        return cached, "the Hugging Face cache"
    return None


def _given_file(path: Path, where: str) -> Path:
    if not path.is_file():
        raise ConfigError(f"{where} names {path}, but there is no such file.")
    return path


def in_folder(folder: Path, model_name: str) -> Path | None:
    """The weights of `model_name` in `folder`: the closest name, safetensors first."""

    def closeness(path: Path) -> tuple[int, int, str]:
        return (SUFFIXES.index(path.suffix), len(path.name), path.name)

    fitting = [
        path
        for path in folder.iterdir()
        if path.suffix in SUFFIXES and path.is_file() and _belongs(path.stem, model_name)
    ]
    return min(fitting, key=closeness, default=None)


def _belongs(stem: str, model_name: str) -> bool:
    # "dinov2_vits14*" must take neither the weights of dinov2_vits14_reg (published as
    # dinov2_vits14_reg4_pretrain.pth) nor "resnet50*" those of resnet50d.
    rest = stem.removeprefix(model_name)
    if not stem.startswith(model_name) or rest[:1].isalnum():
        # the official name of the variants with registers says how many there are
        return model_name.endswith("_reg") and stem.startswith(f"{model_name}4")
    return not rest.startswith("_reg")


def _hub_cache(environ: Mapping[str, str]) -> Path:
    if environ.get("HF_HUB_CACHE"):
        return Path(environ["HF_HUB_CACHE"]).expanduser()
    if environ.get("HF_HOME"):
        return Path(environ["HF_HOME"]).expanduser() / "hub"
    cache = environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "huggingface" / "hub"


def _cached(repo: str, environ: Mapping[str, str]) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    for name in HUB_FILES:
        path = try_to_load_from_cache(repo, name, cache_dir=_hub_cache(environ))
        if isinstance(path, str):
            return Path(path)
    return None


class _NotDownloadedError(Exception):
    """Says why, in half a sentence."""


def why_not_from_hub(
    repo: str, environ: Mapping[str, str], seconds: float = HUB_DECISION_SECONDS
) -> str | None:
    """Why a download from the hub would not do, in half a sentence; None if it would. Downloads
    nothing."""
    try:
        _ask_hub(repo, environ, seconds)
    except _NotDownloadedError as error:
        return str(error)
    return None


def _ask_hub(repo: str, environ: Mapping[str, str], seconds: float) -> tuple[str, str]:
    """The hub's address, and which of HUB_FILES it has."""
    if environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        raise _NotDownloadedError("HF_HUB_OFFLINE forbids a download")
    endpoint = environ.get("HF_ENDPOINT") or "https://huggingface.co"
    return endpoint, _published_file(repo, endpoint, seconds)


def _download(repo: str, environ: Mapping[str, str], seconds: float) -> Path:
    endpoint, name = _ask_hub(repo, environ, seconds)

    from huggingface_hub import hf_hub_download

    _log.info("downloading %s of %s", name, repo)
    try:
        path = hf_hub_download(repo, name, cache_dir=_hub_cache(environ), endpoint=endpoint)
    except Exception as error:  # its HTTP client's errors, whichever client that is
        raise _NotDownloadedError(f"the download failed ({_short(error)})") from error
    return Path(path)


def _published_file(repo: str, endpoint: str, seconds: float) -> str:
    """Which of HUB_FILES the hub has; asks in a thread, for nothing can interrupt a name server
    that does not answer. The thread is a daemon: it keeps no process from ending."""
    answers: queue.SimpleQueue[str | Exception] = queue.SimpleQueue()
    threading.Thread(target=_ask, args=(repo, endpoint, seconds, answers), daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        answer = TimeoutError(f"no answer within {seconds:.0f} s")
    if isinstance(answer, Exception):
        raise _NotDownloadedError(f"{endpoint} does not give them ({_short(answer)})") from answer
    return answer


def _ask(
    repo: str, endpoint: str, seconds: float, answers: "queue.SimpleQueue[str | Exception]"
) -> None:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError

    failure: Exception = FileNotFoundError(f"{repo} holds no {' or '.join(HUB_FILES)}")
    for name in HUB_FILES:
        try:
            url = hf_hub_url(repo, name, endpoint=endpoint)
            get_hf_file_metadata(url, timeout=seconds, endpoint=endpoint)
        except EntryNotFoundError:
            continue
        except Exception as error:  # noqa: BLE001 - the asker turns it into a sentence
            failure = error
        else:
            answers.put(name)
            return
        break
    answers.put(failure)


def _short(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _missing(model_name: str, reason: str, repo: str | None) -> WeightsMissing:
    source = f" from https://huggingface.co/{repo}/resolve/main/{HUB_FILES[0]}" if repo else ""
    return WeightsMissing(
        f"There are no weights for {model_name}: {reason}. Fetch them on any machine{source}, "
        f"then set LOOKALIKE_WEIGHTS={os.sep}path{os.sep}to{os.sep}file or model.weights in the "
        "configuration; or set model.fallback: colour-layout to begin without them.",
        repo,
    )
