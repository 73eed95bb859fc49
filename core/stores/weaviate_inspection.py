"""What can be said of the servers of an index from outside, without writing anything there."""

import time
from contextlib import closing
from dataclasses import dataclass, replace
from uuid import UUID

from core.errors import StoreError
from core.stores.weaviate_client import Filter, WeaviateClient
from core.stores.weaviate_errors import NoCollectionError, NotAllowedError, UnreachableError
from core.stores.weaviate_notes import Notes
from core.stores.weaviate_servers import WeaviateServers
from core.stores.weaviate_url import WeaviateUrl, parse_weaviate_url
from core.stores.weaviate_writer import SILENT_SECONDS, Writer

_NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Inspection:
    """All of it was answered just now."""

    versions: dict[str, str]
    """By address."""
    away: list[UnreachableError]
    """Of servers of the cluster that do not answer, where others do."""
    may_write: bool
    open_to_all: bool
    """Whether it answers without any key."""
    ahead_seconds: float
    """How far the server's clock is ahead of ours; its Date has whole seconds."""
    writer: str | None
    """`pid@host` of the daemon that keeps the index."""


def inspect(text: str, api_key: str | None) -> Inspection:
    """StoreError if no server answers, if one is too old, or refuses the key."""
    url = parse_weaviate_url(text)
    versions, away = {}, []
    for address in url.addresses:
        alone = WeaviateServers(replace(url, addresses=(address,)), api_key)
        with closing(alone):
            try:
                versions[str(address)] = alone.read(_version)
            except UnreachableError as error:
                away.append(error)
    if not versions:
        raise away[0]
    servers = WeaviateServers(url, api_key)
    with closing(servers):
        return Inspection(
            versions,
            away,
            may_write=_may_write(servers, url),
            open_to_all=api_key is None or _is_open(url),
            ahead_seconds=servers.server_seconds() - time.time(),
            writer=_writer(servers, url),
        )


def _version(client: WeaviateClient) -> str:
    return str(client.get_meta()["version"])


def _may_write(servers: WeaviateServers, url: WeaviateUrl) -> bool:
    """A deletion of no row, and that only tried: it needs the right all the same."""

    def delete(client: WeaviateClient) -> object:
        nobody = Filter.by_id().contains_any([_NOBODY])
        rows = client.collections.use(f"{url.name}Catalogue")
        return rows.data.delete_many(where=nobody, dry_run=True)

    try:
        servers.read(delete)
    except NotAllowedError:
        return False
    except NoCollectionError:
        pass  # the key would have been refused before
    return True


def _is_open(url: WeaviateUrl) -> bool:
    with closing(WeaviateServers(url, None)) as servers:
        try:
            servers.read(_version)
        except StoreError:
            return False
        return True


def _writer(servers: WeaviateServers, url: WeaviateUrl) -> str | None:
    found = Writer(servers, Notes(servers, url.name), writable=False).holder()
    return found[0] if found and found[1] < SILENT_SECONDS else None
