"""The one place that imports the Weaviate client, and puts right what the import does."""

import logging
import os
import warnings
from pathlib import Path
from typing import Any

# The import resets the process's warning filters, and authlib would print a warning of its own.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import weaviate
    from grpc import ChannelCredentials, ssl_channel_credentials
    from weaviate import WeaviateClient, exceptions
    from weaviate.classes.aggregate import GroupByAggregate
    from weaviate.classes.config import (
        Configure,
        ConsistencyLevel,
        DataType,
        Property,
        ReplicationDeletionStrategy,
        Tokenization,
        VectorDistances,
    )
    from weaviate.classes.data import DataObject
    from weaviate.classes.init import AdditionalConfig, Auth, Timeout
    from weaviate.classes.query import Filter, MetadataQuery
    from weaviate.collections import Collection
    from weaviate.collections.classes.filters import _Filters as Filters
    from weaviate.config import GrpcConfig
    from weaviate.outputs.config import (
        CollectionConfig,
        PropertyConfig,
        VectorIndexConfigHNSW,
    )

from core.stores.weaviate_url import Address

__all__ = [
    "CollectionConfig",
    "Configure",
    "ConsistencyLevel",
    "DataObject",
    "DataType",
    "Filter",
    "Filters",
    "GroupByAggregate",
    "MetadataQuery",
    "Property",
    "PropertyConfig",
    "ReplicationDeletionStrategy",
    "Rows",
    "Tokenization",
    "VectorDistances",
    "VectorIndexConfigHNSW",
    "WeaviateClient",
    "connect",
    "exceptions",
]

Rows = Collection[Any, Any]
"""The client's handle of a collection."""

# The client logs what it also raises, vectors and all, and httpx every request.
logging.getLogger("weaviate-client").setLevel(logging.CRITICAL)
logging.getLogger("httpx").setLevel(logging.WARNING)

_TIMEOUTS = Timeout(init=2, query=30, insert=60)
"""Where a call ends at last if the server accepted it and is silent; callers wait less long."""
_CHANNEL = [
    # Else a new connection to a server that is back waits out the back-off of the old one.
    ("grpc.use_local_subchannel_pool", 1),
]


def connect(address: Address, *, secure: bool, api_key: str | None) -> WeaviateClient:
    """A client of one server; asks it for its version, nothing else."""
    return weaviate.connect_to_custom(
        http_host=address.host,
        http_port=address.http_port,
        http_secure=secure,
        grpc_host=address.host,
        grpc_port=address.grpc_port,
        grpc_secure=secure,
        auth_credentials=Auth.api_key(api_key) if api_key else None,
        additional_config=AdditionalConfig(
            timeout=_TIMEOUTS,
            grpc_config=GrpcConfig(
                channel_options=_CHANNEL, credentials=_trusted() if secure else None
            ),
            trust_env=secure,  # SSL_CERT_FILE, and proxies
        ),
        skip_init_checks=True,  # else it asks PyPI for its own newest version
    )


def _trusted() -> ChannelCredentials | None:
    """What REST trusts: gRPC has a variable of its own, and would know a private authority only if
    both were set."""
    file = os.environ.get("SSL_CERT_FILE")
    return ssl_channel_credentials(Path(file).read_bytes()) if file else None
