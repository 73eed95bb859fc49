"""A bare `insert_many` of what a backup holds, in turns with the restore it is a baseline of."""

import sys
import time
from base64 import b64encode
from collections.abc import Callable
from itertools import islice
from typing import Any

from bench.weaviate import BATCH, Server
from core.backup.reader import BackupReader
from core.stores.scopes import chunks
from core.stores.weaviate import WeaviateDatabase
from core.stores.weaviate_client import DataObject
from core.stores.weaviate_collection import WeaviateCollection
from core.stores.weaviate_objects import thumbnail_id, to_object
from core.stores.weaviate_schema import THUMBNAILS as THUMBNAIL_LAYOUT
from core.stores.weaviate_thumbnails import CHUNK
from core.stores.weaviate_url import parse_weaviate_url


class BareInsert:
    """`insert_many` of the same objects, as far as the restore is; reading the file counts there
    and not here."""

    def __init__(self, there: Server, backup: BackupReader) -> None:
        # Under a NAME of its own: a restore deletes whatever its catalogue does not name.
        at = parse_weaviate_url(there.url)
        url = there.url.replace(f"/{at.name}", f"/{at.name}Bare")
        self._database = database = WeaviateDatabase(url, writable=True, api_key=there.key)
        dim = backup.manifest.dim
        self._rows = database.vectors("bare", dim)._collection
        name = database._thumbnails.collection.replace("Thumbnails", "Bare")
        self._thumbnails = WeaviateCollection(database._servers, name, THUMBNAIL_LAYOUT, {})
        self._thumbnails.create()
        self._row_source = (row for piece in backup.rows() for row in piece)
        self._thumbnail_source = (each for some in backup.thumbnails() for each in some.items())
        self._rows_done = self._thumbnails_done = 0
        self.rows_seconds = self.thumbnails_seconds = 0.0
        self.rows_turns_seconds = self.thumbnails_turns_seconds = 0.0
        """With what is not counted here: to be taken off the restore's time."""

    def follow(self, what: str, done: int, total: int) -> None:
        """Write what the restore has written."""
        begun = time.perf_counter()
        tell(what, done)
        if what == "Restoring rows":
            some = list(islice(self._row_source, done - self._rows_done))
            self._rows_done = done
            self.rows_seconds += self._write(self._rows, some, to_object, BATCH)
            self.rows_turns_seconds += time.perf_counter() - begun
        elif what == "Restoring thumbnails":
            few = list(islice(self._thumbnail_source, done - self._thumbnails_done))
            self._thumbnails_done = done
            self.thumbnails_seconds += self._write(self._thumbnails, few, _to_thumbnail, CHUNK)
            self.thumbnails_turns_seconds += time.perf_counter() - begun
        assert done <= total

    def drop(self) -> None:
        """Leave nothing."""
        self._thumbnails.drop()
        self._database.drop("bare")
        self._database.close()

    @staticmethod
    def _write(
        collection: WeaviateCollection,
        items: list[Any],
        convert: Callable[[Any], Any],
        size: int,
    ) -> float:
        seconds = 0.0
        for some in chunks(items, size):
            begun = time.perf_counter()
            collection.insert([convert(item) for item in some])
            seconds += time.perf_counter() - begun
        return seconds


def _to_thumbnail(item: tuple[str, bytes]) -> Any:
    digest, jpeg = item
    properties = {"digest": digest, "jpeg": b64encode(jpeg).decode()}
    return DataObject(uuid=thumbnail_id(digest), properties=properties)


def tell(what: str, done: int) -> None:
    """How far it is, now and then."""
    if done % 10_000 < 1_280:
        print(f"{what}: {done:,}", file=sys.stderr, flush=True)
