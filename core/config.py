"""The configuration: read once, checked completely, then frozen and handed down in pieces."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
)
from pydantic_core import PydanticCustomError

from core.config_document import override, read_document
from core.errors import ConfigError
from core.paths import ROOT_NAME
from core.stores.weaviate_url import parse_weaviate_url

RootName = Annotated[str, StringConstraints(pattern=f"^{ROOT_NAME.pattern}$")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Images(_Section):
    """Limits on what is decoded."""

    max_megapixels: float = Field(default=200, gt=0)
    max_megabytes: float = Field(default=200, gt=0, le=2000)


class Model(_Section):
    """Which model embeds, and where its weights are."""

    name: str = Field(default="dinov2_vits14", min_length=1, pattern=r"^[\w.\-]+$")
    weights: Path | None = None
    fallback: Literal["colour-layout"] | None = "colour-layout"
    device: str = Field(default="auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    unload_minutes: float = Field(default=10, ge=0)


class Watch(_Section):
    """When a change is looked at, and when a deletion is doubted."""

    settle_seconds: float = Field(default=1, gt=0, le=3600)
    rescan_minutes: float = Field(default=30, gt=0)
    hold_deletions_above: float = Field(default=0.05, ge=0, le=1)
    marker: str | None = Field(default=None, pattern=r"^[^/]+$")


class Web(_Section):
    """The page and the JSON API."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    allowed_hosts: tuple[str, ...] = ()
    searches_per_minute: int = Field(default=60, ge=0)
    originals: bool = False


Address = Annotated[str, StringConstraints(pattern=r"^(\[[0-9a-fA-F:.]+\]|[\w.\-]+):\d{1,5}$")]
"""host:port."""


class Daemon(_Section):
    """The daemon's own matters."""

    metrics: Address | None = None
    """Where it answers /healthz, /readyz and /metrics."""


class Bot(_Section):
    """Where and for whom the Discord bot answers."""

    channels: tuple[int, ...] = ()
    results: int = Field(default=5, ge=1, le=10)
    guilds: tuple[int, ...] = ()
    users: tuple[int, ...] = ()
    metrics: Address | None = None
    """Where it answers /healthz, /readyz and /metrics."""


class Log(_Section):
    """What the parts say while they work."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "text", "json"] = "auto"


class Config(_Section):
    """Everything in config.yaml, with paths made absolute."""

    roots: dict[RootName, Path] = Field(min_length=1)
    ignore: tuple[str, ...] = ()
    images: Images = Images()
    model: Model = Model()
    store: str = Field(default="lancedb:./var/index", pattern=r"^(lancedb:.|weaviates?://)")
    state: Path = Path("./var/state")
    watch: Watch = Watch()
    daemon: Daemon = Daemon()
    web: Web = Web()
    bot: Bot = Bot()
    log: Log = Log()

    @field_validator("store")
    @classmethod
    def _check_store(cls, store: str) -> str:
        if store.startswith("weaviate"):
            try:
                parse_weaviate_url(store)
            except ConfigError as error:
                # As a type of its own, or pydantic would put "Value error" before the sentence.
                raise PydanticCustomError("store", "{why}", {"why": str(error)}) from None
        return store

    @property
    def store_path(self) -> Path | None:
        """The folder of an embedded store; None where a server has it."""
        folder = self.store.removeprefix("lancedb:")
        return Path(folder) if folder != self.store else None


def load_config(file: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """The configuration in `file`, overridden from the environment.

    Raises ConfigError with every problem, one a line, each with its YAML path.
    """
    problems: list[str] = []
    values = override(read_document(file), environ, Config.model_fields, problems)
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        problems += [_sentence(detail) for detail in error.errors()]
        raise ConfigError(_message(file, problems)) from None
    config = _absolute(config, file.absolute().parent)
    problems += _path_problems(config)
    if problems:
        raise ConfigError(_message(file, problems))
    return config


def _message(file: Path, problems: list[str]) -> str:
    return "\n".join([f"{file} cannot be used:", *(f"  {problem}" for problem in problems)])


def _sentence(detail: Any) -> str:
    where = ".".join(str(part) for part in detail["loc"] if part != "[key]") or "the file"
    if detail["type"] == "extra_forbidden":
        return f"{where}: there is no such setting"
    if "[key]" in detail["loc"]:
        return f"{where}: a root's name must match {ROOT_NAME.pattern}"
    text = str(detail["msg"])
    if detail["type"] == "store":
        return f"{where}: {text}"
    return f"{where}: {text[:1].lower()}{text[1:]}, not {detail['input']!r}"


def _absolute(config: Config, base: Path) -> Config:
    def fix(path: Path) -> Path:
        # normpath, not resolve: a root that is a link to elsewhere stays what the user named.
        return Path(os.path.normpath(base / path.expanduser()))

    weights = config.model.weights
    return config.model_copy(
        update={
            "roots": {name: fix(path) for name, path in config.roots.items()},
            "state": fix(config.state),
            "store": f"lancedb:{fix(folder)}" if (folder := config.store_path) else config.store,
            "model": config.model.model_copy(update={"weights": weights and fix(weights)}),
        }
    )


def _path_problems(config: Config) -> list[str]:
    """Roots, store and state must lie apart: we never write below a root, nor index a row twice."""
    roots = {name: path.resolve() for name, path in config.roots.items()}
    ours = {"state": config.state.resolve()}
    if folder := config.store_path:
        ours["store"] = folder.resolve()
    problems = [
        f"roots.{name}: {path} lies inside roots.{other}"
        for name, path in roots.items()
        for other, parent in roots.items()
        if name != other and (parent in path.parents or (path == parent and name > other))
    ]
    problems += [
        f"{setting}: {path} lies inside roots.{name}; nothing is ever written below a root"
        for setting, path in ours.items()
        for name, root in roots.items()
        if root == path or root in path.parents
    ]
    return problems
