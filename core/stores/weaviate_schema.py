"""What our collections look like, and how one that is there differs from it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from core.stores.weaviate_client import (
    CollectionConfig,
    Configure,
    DataType,
    Property,
    PropertyConfig,
    ReplicationDeletionStrategy,
    Tokenization,
    VectorDistances,
    VectorIndexConfigHNSW,
)

VECTOR = "default"
"""The name that the client gives to the only vector of a collection."""

MAX_CONNECTIONS = 32
EF_CONSTRUCTION = 128
QUANTIZER_BITS = 8
"""Rotational quantization: a quarter of the memory, no training, and twice the upserts a second;
the server compares what it found once more by the full vectors (docs/weaviate.md has figures)."""


@dataclass(frozen=True, slots=True)
class Field:
    """One property: its type and how it can be asked for."""

    type: DataType
    filterable: bool = False
    ranges: bool = False

    @property
    def is_text(self) -> bool:
        """Whether it is compared as text."""
        return self.type in (DataType.TEXT, DataType.TEXT_ARRAY)


@dataclass(frozen=True, slots=True)
class Layout:
    """A collection: its properties, and whether its rows have vectors."""

    fields: Mapping[str, Field]
    vectors: bool = False


IMAGES = Layout(
    {
        "root": Field(DataType.TEXT, filterable=True),
        "path": Field(DataType.TEXT),
        "dirs": Field(DataType.TEXT_ARRAY, filterable=True),
        "digest": Field(DataType.TEXT, filterable=True),
        "slot": Field(DataType.INT, ranges=True),
        "size_bytes": Field(DataType.INT),
        # As text: numbers travel as doubles, which are exact up to 2^53 only.
        "mtime_ns": Field(DataType.TEXT),
        "ctime_ns": Field(DataType.TEXT),
        "inode": Field(DataType.TEXT),
        "racy": Field(DataType.BOOL),
    },
    vectors=True,
)
THUMBNAILS = Layout({"digest": Field(DataType.TEXT), "jpeg": Field(DataType.BLOB)})
CATALOGUE = Layout({"value": Field(DataType.TEXT)})


def creation(layout: Layout, about: Mapping[str, Any], *, replicas: int) -> dict[str, Any]:
    """The arguments of `client.collections.create` beside the name. `about` is what the
    collection says of itself, to be read by `differences`."""
    vector_index: Any = Configure.VectorIndex.none()
    if layout.vectors:
        vector_index = Configure.VectorIndex.hnsw(
            distance_metric=VectorDistances.COSINE,
            ef_construction=EF_CONSTRUCTION,
            max_connections=MAX_CONNECTIONS,
            ef=-1,  # the server chooses, by the limit of the query
            quantizer=Configure.VectorIndex.Quantizer.rq(bits=QUANTIZER_BITS),
        )
    return {
        "description": json.dumps(about),
        # Always named in full: a server may have defaults of its own.
        "vector_config": Configure.Vectors.self_provided(vector_index_config=vector_index),
        "properties": [_property(name, field) for name, field in layout.fields.items()],
        "replication_config": Configure.replication(
            factor=replicas,
            deletion_strategy=ReplicationDeletionStrategy.TIME_BASED_RESOLUTION,
        ),
    }


def about(config: CollectionConfig) -> dict[str, Any]:
    """What the collection says of itself; empty if it is not one of ours."""
    try:
        document = json.loads(config.description or "")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def differences(
    config: CollectionConfig, layout: Layout, expected: Mapping[str, Any]
) -> Iterator[str]:
    """In words, whatever would make answers wrong; speed and memory are the operator's affair."""
    actual = about(config)
    for key, value in expected.items():
        if actual.get(key) != value:
            yield f"its {key} is {actual.get(key)!r}, expected {value!r}"
    there = {each.name: each for each in config.properties}
    for name, field in layout.fields.items():
        if name not in there:
            yield f"the property '{name}' is missing"
            continue
        found = _facts(there[name])
        for fact, value in _expected(field).items():
            if found[fact] != value:
                yield f"the property '{name}' has {fact} {found[fact]}, expected {value}"
    if config.multi_tenancy_config.enabled:
        yield "it has tenants"
    if layout.vectors:
        yield from _vector_differences(config)


def _vector_differences(config: CollectionConfig) -> Iterator[str]:
    vector = (config.vector_config or {}).get(VECTOR)
    if vector is None:
        yield f"it has no vector '{VECTOR}'"
    elif not isinstance(index := vector.vector_index_config, VectorIndexConfigHNSW):
        yield f"its vector index is {index.vector_index_type()}, expected hnsw"
    elif index.distance_metric != VectorDistances.COSINE:
        yield f"its distance is {index.distance_metric.value}, expected cosine"


def _property(name: str, field: Field) -> Property:
    return Property(
        name=name,
        data_type=field.type,
        index_filterable=field.filterable,
        index_searchable=False if field.is_text else None,
        index_range_filters=field.ranges,
        tokenization=Tokenization.FIELD if field.is_text else None,  # the whole text, case and all
    )


def _facts(found: PropertyConfig) -> dict[str, object]:
    return {
        "type": found.data_type.value,
        "tokenization": found.tokenization and found.tokenization.value,
        "filters": found.index_filterable,
        "range filters": found.index_range_filters,
    }


def _expected(field: Field) -> dict[str, object]:
    return {
        "type": field.type.value,
        "tokenization": Tokenization.FIELD.value if field.is_text else None,
        "filters": field.filterable,
        "range filters": field.ranges,
    }
