"""The store URL of a Weaviate server; imports nothing heavy."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

from core.errors import ConfigError

HTTP_PORT = 8080
GRPC_PORT = 50051
DEFAULT_NAME = "Lookalike"

_URL = re.compile(
    r"(?P<scheme>weaviates?)://(?P<hosts>[^/?#]*)(?:/(?P<name>[^/?#]*))?(?:\?(?P<query>[^#]*))?"
)
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::(?P<port>\d+))?", re.ASCII)
_NAME = re.compile(r"[A-Z][A-Za-z0-9]{0,63}", re.ASCII)
_VERSION = re.compile(r"\d+\.\d+(\.\d+)?", re.ASCII)
_FORM = "weaviate://host:8080[,host2:8080…][/NAME][?grpc=50051[,50052…]]"

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Address:
    """One server: Weaviate needs two ports."""

    host: str
    http_port: int
    grpc_port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.http_port}"


@dataclass(frozen=True, slots=True)
class WeaviateUrl:
    """`weaviate://host:8080[,host2:8080…][/NAME]?grpc=50051[,50052…]`, taken apart."""

    addresses: tuple[Address, ...]
    """Servers of one cluster."""
    name: str = DEFAULT_NAME
    """Begins the name of every collection."""
    secure: bool = False
    """TLS on both ports."""
    oldest: Version | None = None
    """Take servers from this version on instead of those that are known to be free of the faults
    listed in docs/weaviate.md."""

    def __str__(self) -> str:
        hosts = ",".join(map(str, self.addresses))
        return f"weaviate{'s' if self.secure else ''}://{hosts}/{self.name}"


def parse_weaviate_url(text: str) -> WeaviateUrl:
    """ConfigError with a sentence unless the text is a store URL of Weaviate."""
    match = _URL.fullmatch(text)
    if not match:
        raise ConfigError(f"'{text}' is no Weaviate address; write {_FORM}.")
    if "@" in match["hosts"]:
        raise ConfigError(
            "A Weaviate address holds no user and no password; put the key into the "
            "environment as WEAVIATE_API_KEY."
        )
    options = _options(match["query"] or "")
    name = match["name"] or DEFAULT_NAME
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"'{name}' cannot begin the names of Weaviate collections: write a capital letter, "
            "then up to 63 letters and digits, all of them ASCII."
        )
    return WeaviateUrl(
        addresses=_addresses(match["hosts"], options.get("grpc")),
        name=name,
        secure=match["scheme"] == "weaviates",
        oldest=_version(options["oldest"]) if "oldest" in options else None,
    )


def _options(query: str) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    options = dict(pairs)
    unknown = sorted(options.keys() - {"grpc", "oldest"})
    if unknown:
        raise ConfigError(f"A Weaviate address knows no '{unknown[0]}'; write {_FORM}.")
    if len(options) < len(pairs):
        raise ConfigError(f"An option stands twice in '?{query}'.")
    return options


def _addresses(hosts: str, grpc: str | None) -> tuple[Address, ...]:
    named = []
    for part in hosts.split(","):
        match = _HOST.fullmatch(part)
        if not match:
            raise ConfigError(f"'{part}' is no host with a port, such as localhost:8080.")
        named.append((match["host"], _port(match["port"] or str(HTTP_PORT))))
    grpc_ports = [_port(port) for port in (str(GRPC_PORT) if grpc is None else grpc).split(",")]
    if len(grpc_ports) == 1:
        grpc_ports *= len(named)
    if len(grpc_ports) != len(named):
        raise ConfigError(
            f"{len(named)} servers and {len(grpc_ports)} gRPC ports are named: "
            "name one port for all or one for each."
        )
    addresses = tuple(
        Address(host, port, grpc) for (host, port), grpc in zip(named, grpc_ports, strict=True)
    )
    for address in addresses:
        if address.http_port == address.grpc_port:
            raise ConfigError(
                f"{address} is named as HTTP and as gRPC port; Weaviate needs two, "
                f"usually {HTTP_PORT} and {GRPC_PORT}."
            )
        if addresses.count(address) > 1:
            raise ConfigError(f"{address} is named twice.")
    return addresses


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise ConfigError(f"'{text}' is no port; write a number from 1 to 65535.")
    return int(text)


def _version(text: str) -> Version:
    if not _VERSION.fullmatch(text):
        raise ConfigError(f"'{text}' is no version such as 1.38.10.")
    return tuple(map(int, text.split(".")))
