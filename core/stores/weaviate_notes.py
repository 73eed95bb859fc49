"""Small documents in a collection of their own: the catalogue, and who writes."""

import json
from typing import Any
from uuid import uuid5

from core.records import NAMESPACE
from core.stores.weaviate_client import DataObject
from core.stores.weaviate_collection import WeaviateCollection
from core.stores.weaviate_schema import CATALOGUE
from core.stores.weaviate_servers import WeaviateServers


class Notes:
    """Documents by key; each is replaced in one step."""

    def __init__(self, servers: WeaviateServers, prefix: str) -> None:
        self._collection = WeaviateCollection(servers, f"{prefix}Catalogue", CATALOGUE, {})

    def read(self, key: str) -> dict[str, Any] | None:
        """The document; None where there is none."""
        found = self.read_dated(key)
        return found and found[0]

    def read_dated(self, key: str) -> tuple[dict[str, Any], float] | None:
        """The document, and when it was written by the server's clock."""

        found = self._collection.get(uuid5(NAMESPACE, key))
        if found is None:
            return None
        written = found.metadata.last_update_time.timestamp()
        return json.loads(found.properties["value"]), written

    def write(self, key: str, document: dict[str, Any]) -> None:
        """Replace the document; makes the collection if need be."""
        self._collection.create()
        value = {"value": json.dumps(document)}
        self._collection.insert([DataObject(uuid=uuid5(NAMESPACE, key), properties=value)])

    def delete(self, key: str) -> None:
        """Unknown is fine."""
        if self._collection.exists():
            self._collection.remove(uuid5(NAMESPACE, key))
