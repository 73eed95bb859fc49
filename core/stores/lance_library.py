"""Loads lancedb quietly and without the HTTP client of a service that nobody here calls."""

import importlib.util
import os
import sys
from types import ModuleType

_CLIENT = "lance_namespace_urllib3_client"


def _without_its_clients(name: str) -> None:
    """Let `name` be imported without the body of its `__init__`; its submodules are unaffected.

    lancedb needs the models of this package, and its `__init__` builds a thousand HTTP methods
    first: 1.4 of the 2 seconds that `import lancedb` took here (0.40, `python -X importtime`).
    """
    spec = importlib.util.find_spec(name)
    if spec and spec.submodule_search_locations and name not in sys.modules:
        package = ModuleType(name)
        package.__path__ = spec.submodule_search_locations
        package.__spec__ = spec
        sys.modules[name] = package


_without_its_clients(_CLIENT)
# Lance writes warnings to stderr that nobody can act on ("partition 1 is empty, skipping").
os.environ.setdefault("LANCEDB_LOG", "error")

import lancedb  # noqa: E402  after what it would load
from lancedb.background_loop import LOOP  # noqa: E402
from lancedb.index import IvfRq, IvfSq  # noqa: E402

__all__ = ["LOOP", "IvfRq", "IvfSq", "lancedb"]
