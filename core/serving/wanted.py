"""Which embedder a request is about, as it is written and read on either side of the socket."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.embedders import Embedder, opening
from core.embedders.weights import find_weights
from core.errors import ConfigError, ModelError

_TEXTS = ("name", "model", "weights", "device", "environ")


@dataclass(frozen=True, slots=True)
class Wanted:
    """An embedder by its name, or (None) the one that a configuration makes."""

    name: str | None
    model: str
    """`model.name`; where `name` is given, the model of that."""
    weights: str | None
    """`model.weights`, if it is for this model."""
    device: str
    environ: str | None = None
    """The asker's LOOKALIKE_WEIGHTS; None = the service's own."""

    def header(self) -> dict[str, object]:
        """As it is sent."""
        return {key: getattr(self, key) for key in _TEXTS}

    @staticmethod
    def parse(header: Mapping[str, object]) -> "Wanted":
        """ValueError if it is none."""
        values = [header.get(key) for key in _TEXTS]
        name, model, weights, device, environ = (
            value if isinstance(value, str) else None for value in values
        )
        if any(value is not None and not isinstance(value, str) for value in values):
            raise ValueError("no text")
        if not model or not device:
            raise ValueError("no model")
        return Wanted(name, model, weights, device, environ)

    def open(self) -> Embedder:
        """Load it; what core.embedders.opening raises.

        By torch, whatever is installed: OpenVINO computes in threads that lanes.py cannot make
        nice, so a query would wait for the backlog, and it takes 300 MiB more.
        """
        where = Path(self.weights) if self.weights else None, self.device, self._environ()
        if self.name is None:
            return opening.open_embedder(self.model, *where, backend="torch")
        return opening.open_named(self.name, *where, backend="torch")

    def file_stamp(self) -> tuple[object, ...]:
        """Changes with the weights file that would be found; the hub's is always the same."""
        weights = Path(self.weights) if self.weights else None
        try:
            file = find_weights(self.model, weights, self._environ(), hub_repo=None)
            status = file.stat()
        except (ModelError, ConfigError, OSError):
            return ()
        return (str(file), status.st_size, status.st_mtime_ns, status.st_ino)

    def _environ(self) -> Mapping[str, str]:
        return {**os.environ, "LOOKALIKE_WEIGHTS": self.environ} if self.environ else os.environ
