"""Where a part may listen: on loopback, or, where a key is needed to get in, anywhere."""

import ipaddress
import socket

from core.errors import AppError, ConfigError
from core.keys import Keys

_BACKLOG = 128

Place = tuple[int, tuple[str, int]]
"""Address family, and host and port."""


def places(host: str, port: int, keys: Keys, setting: str) -> list[Place]:
    """Where to listen; ConfigError unless all of it is loopback, or a key is needed to get in.
    `setting` is what the host is called in the configuration."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ConfigError(f"{setting}: '{host}' is no address here: {error.strerror}.") from None
    places: list[Place] = [
        (family, (str(address[0]), int(address[1]))) for family, *_, address in found
    ]
    open_to_others = [
        host for _, (host, _) in places if not ipaddress.ip_address(host.split("%")[0]).is_loopback
    ]
    if open_to_others and not keys:
        raise ConfigError(
            f"{setting}: {host} lets other machines in; set LOOKALIKE_WEB_PASSWORD or "
            "LOOKALIKE_WEB_TOKEN first, or listen on 127.0.0.1 only."
        )
    # With port 0 every address would get a port of its own.
    return places[:1] if port == 0 else list(dict.fromkeys(places))


def listen(
    family: int, place: tuple[str, int], *, what: str = "The page", setting: str = "web.port"
) -> socket.socket:
    """A socket that accepts connections at (host, port); AppError if it cannot."""
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(place)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        host, port = place
        raise AppError(
            f"{what} cannot be served on {host} port {port}: {error.strerror}. "
            f"Is another one running? {setting} chooses another port."
        ) from None
    return listener
