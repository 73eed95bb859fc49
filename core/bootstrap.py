"""Puts the parts together; the only module that knows every concrete class."""

import contextlib
import os
from importlib.metadata import version
from pathlib import Path

from core.config import Config
from core.decoder import Decoder, DecoderPool
from core.embedders import Embedder, opening
from core.embedders.colour_layout import MODEL as COLOUR_LAYOUT
from core.embedders.remote import RemoteEmbedder
from core.errors import AppError
from core.files import FileLock
from core.images import Limits
from core.index import ImageIndex
from core.secrets import read_secret
from core.serving import socket_file
from core.serving.client import ModelService, NobodyThere
from core.serving.wanted import Wanted
from core.steps import Around, unwatched
from core.stores import Database

SECOND_DAEMON = (
    "Another daemon (process {pid}) keeps this index. Stop it first; `lookalike sync` asks it "
    "to do the work."
)


class NothingIndexed(AppError):  # noqa: N818 - it reads as the sentence it is
    """There is no index yet."""

    def __init__(self) -> None:
        super().__init__("Nothing is indexed yet: start the daemon, or run `lookalike sync`.")


def open_database(config: Config, *, writable: bool) -> Database:
    """Where the vectors live; only a writer creates it. A server is not asked anything yet."""
    if config.store_path is None:
        from core.stores.weaviate import WeaviateDatabase

        key = read_secret("WEAVIATE_API_KEY")
        return WeaviateDatabase(config.store, writable=writable, api_key=key)
    from core.stores.lance import LanceDatabase

    return LanceDatabase(config.store_path, writable=writable)


def writer_locks(config: Config, refusal: str = SECOND_DAEMON) -> list[FileLock]:
    """Held by the one process that writes to the store, wherever its state folder is. On a server
    a heartbeat row takes their place, which the writer looks after by itself."""
    if config.store_path is None:
        return []
    return [FileLock(config.store_path / "daemon.lock", refusal)]


def open_decoder(config: Config, *, workers: int, around: Around = unwatched) -> Decoder:
    """Decoding in processes apart; `workers` pictures at a time."""
    limits = Limits(config.images.max_megapixels, config.images.max_megabytes)
    return DecoderPool(limits, workers=workers, around=around)


def decoder_version(config: Config) -> str:
    """What a rejection depends on beside the file: another version is worth another try."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("pillow", "pillow-heif"))
    images = config.images
    return f"1, {libraries}, {images.max_megapixels:g} MP, {images.max_megabytes:g} MB"


def open_embedder(config: Config) -> Embedder:
    """The configured model, in the model service where one runs. WeightsMissing (a ModelError) if
    its weights cannot be had now; ConfigError if they do not fit."""
    model = config.model
    if not is_light(model.name):
        with contextlib.suppress(NobodyThere):
            return _shared(config, None, model.name)
    return opening.open_embedder(model.name, model.weights, model.device)


def open_preview() -> Embedder:
    """The weight-free stand-in."""
    return opening.open_embedder(COLOUR_LAYOUT)


def is_light(model: str) -> bool:
    """Whether the model needs no process to share it: it has no weights and no torch."""
    return model == COLOUR_LAYOUT


def is_preview(config: Config, name: str) -> bool:
    """Whether the embedder `name` only stands in for the configured model."""
    return name.partition("/")[0] == COLOUR_LAYOUT != config.model.name


def open_named(config: Config, name: str) -> Embedder:
    """The embedder that an index names, in the model service where one runs; ModelError if this
    machine cannot provide it."""
    model = name.partition("/")[0]
    if not is_light(model):
        with contextlib.suppress(NobodyThere):
            return _shared(config, name, model)
    return _open_here(config, name)


def _open_here(config: Config, name: str) -> Embedder:
    return opening.open_named(name, _weights(config, name), config.model.device)


def _weights(config: Config, name: str) -> Path | None:
    """`model.weights` belongs to `model.name`; another model's are found as if it were null."""
    return config.model.weights if name.partition("/")[0] == config.model.name else None


def _shared(config: Config, name: str | None, model: str) -> Embedder:
    """NobodyThere without a service."""
    weights = _weights(config, model)
    wanted = Wanted(
        name,
        model,
        str(weights) if weights else None,
        config.model.device,
        os.environ.get("LOOKALIKE_WEIGHTS"),
    )
    service = ModelService(socket_file(config.state))
    return RemoteEmbedder(service, wanted, lambda known: _open_here(config, known))


def open_search(config: Config, database: Database, decoder: Decoder) -> ImageIndex:
    """The index that answers: searched with the embedder that it names, whatever is configured.

    Raises NothingIndexed. The model is loaded at the first picture that needs it.
    """
    catalogue = database.catalogue()
    if catalogue is None:
        raise NothingIndexed
    return open_index(config, database, decoder, catalogue.serving)


def open_index(config: Config, database: Database, decoder: Decoder, name: str) -> ImageIndex:
    """The index of the embedder `name`, whether it answers already or not."""
    return ImageIndex(
        name,
        lambda: open_named(config, name),
        database.vectors(name),
        decoder,
        list(config.roots),
    )
