"""Records, places and digests in the form that Weaviate keeps them, and the filters on them."""

from collections.abc import Collection, Iterator
from typing import Any
from uuid import UUID

import numpy as np

from core.records import FileStamp, ImageId, ImageRecord, IndexedStamp, Place, Vector
from core.stores.scopes import above, chunks, outermost
from core.stores.weaviate_client import DataObject, Filter, Filters
from core.stores.weaviate_schema import VECTOR

SLOTS = 1 << 16
"""Rows are spread evenly over so many slots, by their ids. What matches a filter can only be read
in pieces by asking for a range of slots each: the server knows no cursor with a filter, and no
offset beyond 10,000."""

PLACE = ["root", "path"]
STAMP = [*PLACE, "size_bytes", "mtime_ns", "ctime_ns", "inode", "digest", "racy"]

_PLACES_PER_FILTER = 500


def to_object(record: ImageRecord) -> Any:
    """The object of a record."""
    place, stamp = record.place, record.stamp
    return DataObject(
        uuid=record.id,
        vector={VECTOR: record.vector},  # type: ignore[dict-item]  # numpy is taken, and faster
        properties={
            "root": place.root,
            "path": place.path,
            # Ended by a slash, as the server trims blanks at both ends of a text.
            "dirs": [f"{folder}/" for folder in above(place)],
            "digest": record.digest,
            "slot": int(record.id[:4], 16),
            "size_bytes": stamp.size_bytes,
            "mtime_ns": str(stamp.mtime_ns),
            "ctime_ns": str(stamp.ctime_ns),
            "inode": str(stamp.inode),
            "racy": record.racy,
        },
    )


def to_place(found: Any) -> Place:
    """The place of an object."""
    return Place(found.properties["root"], found.properties["path"])


def to_stamp(found: Any) -> IndexedStamp:
    """The stamp of an object."""
    row = found.properties
    stamp = FileStamp(
        int(row["size_bytes"]), int(row["mtime_ns"]), int(row["ctime_ns"]), int(row["inode"])
    )
    return IndexedStamp(stamp, row["digest"], row["racy"])


def to_vector(found: Any) -> Vector:
    """The vector of an object."""
    return np.array(found.vector[VECTOR], np.float32)


def to_record(found: Any) -> ImageRecord:
    """The record of an object, without its thumbnail."""
    stamp, digest, racy = to_stamp(found)
    return ImageRecord(to_place(found), stamp, digest, to_vector(found), racy)


def thumbnail_id(digest: str) -> UUID:
    """The id of a thumbnail: half of its digest, which is spread as evenly as any hash."""
    return UUID(digest[:32])


def ids_filter(ids: Collection[ImageId] | Collection[UUID]) -> Filters:
    """The rows with these ids."""
    return Filter.by_id().contains_any(list(ids))


def digests_filter(digests: Collection[str]) -> Filters:
    """The rows with these digests."""
    return Filter.by_property("digest").contains_any(list(digests))


def slots_filter(first: int, end: int) -> Filters:
    """The rows in these slots."""
    slot = Filter.by_property("slot")
    return slot.greater_or_equal(first) & slot.less_than(end)


def scope_filters(under: Collection[Place]) -> Iterator[Filters]:
    """Filters that together match the rows at or below the places, no row twice."""
    for some in chunks(outermost(under), _PLACES_PER_FILTER):
        below = Filter.by_property("dirs").contains_any([f"{place}/" for place in some])
        at = [place.id for place in some if place.path]
        yield below | ids_filter(at) if at else below
