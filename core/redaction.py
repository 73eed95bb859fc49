"""Sentences as strangers may read them: no absolute path, no address of the store."""

import re
from collections.abc import Iterator

from core.config import Config
from core.stores.weaviate_url import parse_weaviate_url

# From a slash that begins a word to the end of it; addresses such as http://x have no such slash.
_ABSOLUTE = re.compile(r"(?<![\w.:/])/[^\s'\",;:()]*[^\s'\",;:().]")


def redact(text: str, config: Config) -> str:
    """`text` with a root's folder called by the root's name and every other path by its end."""
    for secret, instead in _secrets(config):
        text = text.replace(secret, instead)
    return _ABSOLUTE.sub(lambda match: match[0].rpartition("/")[2], text)


def store_kind(config: Config) -> str:
    """What a store is called where its address is nobody's business."""
    return "lancedb" if config.store_path else "weaviate"


def _secrets(config: Config) -> Iterator[tuple[str, str]]:
    """Longest first, so that none hides inside another."""
    known = {config.store: "the store", str(config.state): "the state folder"}
    if folder := config.store_path:
        known[str(folder)] = "the store's folder"
    else:
        url = parse_weaviate_url(config.store)
        known[str(url)] = "the store"
        for address in url.addresses:
            known[str(address)] = known[f"{address.host}:{address.grpc_port}"] = "of the store"
            known[address.host] = "the store's host"
    for name, path in config.roots.items():
        known |= {str(path): name, str(path.resolve()): name}
    yield from sorted(known.items(), key=lambda pair: -len(pair[0]))
