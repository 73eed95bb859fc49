"""Thumbnails by digest, in a collection of their own without vectors."""

import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Collection, Mapping
from typing import Any
from uuid import UUID

from core.stores.scopes import chunks
from core.stores.weaviate_client import DataObject, Rows
from core.stores.weaviate_collection import WeaviateCollection
from core.stores.weaviate_listing import Listing
from core.stores.weaviate_objects import ids_filter, thumbnail_id
from core.stores.weaviate_schema import THUMBNAILS
from core.stores.weaviate_servers import WeaviateServers

CHUNK = 100
_LOOK_UP = 500
_SWEEP = 500
_SWEEP_SECONDS = 2.0
"""The server reads whole objects to list their digests, so the sweep of a large index is spread
over many quiet times."""


class WeaviateThumbnails:
    """JPEG files of one database, whichever embedder's rows need them."""

    def __init__(self, servers: WeaviateServers, prefix: str) -> None:
        self.collection = f"{prefix}Thumbnails"
        """Its name."""
        self._collection = WeaviateCollection(servers, self.collection, THUMBNAILS, {})
        self._listing = Listing(self._collection)
        self._swept_to: UUID | None = None
        self._orphans_since = True

    def lacking(self, thumbnails: Mapping[str, bytes]) -> dict[str, bytes]:
        """Those that are not there yet."""
        lacking: dict[str, bytes] = {}
        for some in chunks(list(thumbnails), _LOOK_UP):
            ids = {digest: thumbnail_id(digest) for digest in some}
            where = ids_filter(list(ids.values()))
            there = {each.uuid for each in self._listing.all(where, [])}
            lacking |= {d: thumbnails[d] for d, image_id in ids.items() if image_id not in there}
        return lacking

    def write(self, thumbnails: Mapping[str, bytes]) -> None:
        """Write them."""
        if not thumbnails:
            return
        self._collection.create()
        for some in chunks(list(thumbnails), CHUNK):
            self._collection.insert([
                DataObject(
                    uuid=thumbnail_id(digest),
                    properties={"digest": digest, "jpeg": b64encode(thumbnails[digest]).decode()},
                )
                for digest in some
            ])  # fmt: skip

    def read(self, digests: Collection[str]) -> dict[str, bytes]:
        """The bytes of those that are there."""
        found: dict[str, bytes] = {}
        for some in chunks(list(dict.fromkeys(digests)), CHUNK):
            where = ids_filter([thumbnail_id(digest) for digest in some])
            for each in self._listing.all(where, ["digest", "jpeg"]):
                found[each.properties["digest"]] = b64decode(each.properties["jpeg"])
        return found

    def may_have_orphans(self) -> None:
        """Rows were replaced or deleted."""
        self._orphans_since = True

    def sweep(self, needed: Callable[[list[str]], set[str]]) -> None:
        """Delete what no row needs, for a while; the next call goes on from there."""
        end = time.monotonic() + _SWEEP_SECONDS
        while self._orphans_since or self._swept_to:
            if self._swept_to is None:
                self._orphans_since = False
            if not self._sweep_some(needed) or time.monotonic() > end:
                return

    def _sweep_some(self, needed: Callable[[list[str]], set[str]]) -> bool:
        """Whether there are more."""
        after = self._swept_to

        def act(rows: Rows) -> list[Any]:
            return rows.query.fetch_objects(
                limit=_SWEEP, after=after, return_properties=["digest"]
            ).objects

        found = self._collection.read(act, list[Any]())
        digests = {each.uuid: each.properties["digest"] for each in found}
        live = needed(list(digests.values())) if digests else set()
        if orphans := [image_id for image_id, digest in digests.items() if digest not in live]:
            self._collection.delete(orphans)
        self._swept_to = found[-1].uuid if len(found) == _SWEEP else None
        return self._swept_to is not None
