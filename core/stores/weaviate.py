"""The store on a Weaviate server: collections written by one process and read by many."""

import re
from contextlib import suppress
from dataclasses import asdict

from core.errors import StoreError
from core.stores import Catalogue, Holding, Role, checked_catalogue, table_name
from core.stores.weaviate_collection import WeaviateCollection
from core.stores.weaviate_counts import count
from core.stores.weaviate_doubts import Doubts
from core.stores.weaviate_listing import Listing
from core.stores.weaviate_notes import Notes
from core.stores.weaviate_rows import WeaviateStore
from core.stores.weaviate_schema import IMAGES, THUMBNAILS
from core.stores.weaviate_servers import WeaviateServers
from core.stores.weaviate_thumbnails import WeaviateThumbnails
from core.stores.weaviate_url import parse_weaviate_url
from core.stores.weaviate_writer import Writer

_KEY = "catalogue"


class WeaviateDatabase:
    """A Database on a server. Nothing is asked of the server before it is needed.

    Args:
        url: see `parse_weaviate_url`.
        api_key: None where the server lets everyone in.
    """

    def __init__(self, url: str, *, writable: bool, api_key: str | None) -> None:
        parsed = parse_weaviate_url(url)
        self.address = str(parsed)
        self._prefix = f"{parsed.name}Images"
        self._writable = writable
        self._servers = WeaviateServers(parsed, api_key)
        self._stores: dict[str, WeaviateStore] = {}
        self._notes = Notes(self._servers, parsed.name)
        self._thumbnails = WeaviateThumbnails(self._servers, parsed.name)
        self._doubts = Doubts(self._notes, self._open_any)
        self._writer = Writer(
            self._servers, self._notes, writable=writable, taken=self._doubts.load
        )

    def catalogue(self) -> Catalogue | None:
        """See Database."""
        found = self._notes.read(_KEY)
        if found is None:
            return None
        # A later format may say more; its number is refused all the same.
        known = {name: found[name] for name in Catalogue.__dataclass_fields__ if name in found}
        return checked_catalogue(Catalogue(**known), self.address)

    def claim(self) -> None:
        """See Database."""
        with self._writer.writing():
            pass

    def write_catalogue(self, catalogue: Catalogue) -> None:
        """See Database."""
        with self._writer.writing():
            self._notes.write(_KEY, asdict(catalogue))

    def vectors(
        self, name: str, dim: int | None = None, *, edition: str | None = None
    ) -> WeaviateStore:
        """See Database."""
        catalogue = self.catalogue()  # refuses a format that is too new
        if edition is None:
            edition = catalogue.edition_of(name) if catalogue else ""
        table = self._name(name, edition)
        known = self._stores.get(table)
        if known and (dim is None or dim == known.dim) and known.exists():
            return known
        about = {"embedder": name} if dim is None else {"embedder": name, "dim": dim}
        collection = WeaviateCollection(self._servers, table, IMAGES, about)
        if self._writable and dim is not None:
            with self._writer.writing():
                collection.create()
        else:
            collection.exists()  # refuses one that does not fit
        self._stores[table] = WeaviateStore(
            collection,
            self._thumbnails,
            self._writer,
            self._doubts,
            dim=dim or 0,
            digests_in_use=self._digests_in_use,
            alone=self._writable,
        )
        return self._stores[table]

    def drop(self, name: str) -> None:
        """See Database."""
        catalogue = self.catalogue()
        edition = catalogue.edition_of(name) if catalogue else ""
        self._drop(self._name(name, edition))

    def holdings(self) -> list[Holding]:
        """See Database."""
        roles = self._roles()
        held = []
        for table in self._tables():
            collection = self._open_any(table)
            rows = count(collection)
            embedder = str(collection.about.get("embedder", "")) or None
            held.append(Holding(table, embedder, rows, None, roles.get(table, "leftover")))
        return held

    def sweep(self) -> None:
        """See Database."""
        if roles := self._roles():
            for table in self._tables():
                if table not in roles:
                    self._drop(table)

    def _roles(self) -> dict[str, Role]:
        catalogue = self.catalogue()
        roles = catalogue.roles if catalogue else {}
        return {self._name(*key): role for key, role in roles.items()}

    def _tables(self) -> list[str]:
        ours = re.compile(rf"{self._prefix}[0-9a-f]{{12}}")
        names = self._servers.read(lambda client: list(client.collections.list_all()))
        return sorted(filter(ours.fullmatch, names))

    def _drop(self, table: str) -> None:
        with self._writer.writing():
            WeaviateCollection(self._servers, table, IMAGES, {}).drop()
            self._stores.pop(table, None)
            self._thumbnails.may_have_orphans()

    def close(self) -> None:
        """See Database."""
        with suppress(StoreError):
            self._doubts.close()
        self._writer.release()
        self._servers.close()

    def _name(self, embedder: str, edition: str = "") -> str:
        return self._prefix + table_name(embedder, edition)

    def _open_any(self, name: str) -> WeaviateCollection:
        layout = THUMBNAILS if name == self._thumbnails.collection else IMAGES
        return WeaviateCollection(self._servers, name, layout, {})

    def _digests_in_use(self, digests: list[str]) -> set[str]:
        in_use: set[str] = set()
        for name in self._tables():
            listing = Listing(self._open_any(name))
            in_use |= {
                row.properties["digest"] for row in listing.one_of_each(digests, surely=True)
            }
        return in_use
