"""Where Discord is: the real one, or a stand-in on this machine for tests."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address

import discord
from yarl import URL

from core.errors import ConfigError

_CDN_HOSTS = frozenset({"cdn.discordapp.com", "media.discordapp.net"})
_NAMES = ("DISCORD_API_BASE", "DISCORD_GATEWAY_URL")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The addresses that the bot talks to."""

    api: str = discord.http.Route.BASE
    gateway: URL = discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY
    stand_in: bool = False

    def use(self) -> None:
        """From now on, in this process."""
        discord.http.Route.BASE = self.api
        discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = self.gateway

    def serves(self, url: URL) -> bool:
        """Whether attachments may be read from there: nobody makes the bot call other hosts."""
        if self.stand_in:
            return _is_loopback(url)
        return (
            url.scheme == "https"
            and url.host in _CDN_HOSTS
            and url.explicit_port is None
            and url.user is None
        )


def read_endpoints(environ: Mapping[str, str] = os.environ) -> Endpoints:
    """Discord's own, unless both variables name a stand-in on this machine. ConfigError."""
    given = {name: environ[name] for name in _NAMES if environ.get(name)}
    if not given:
        return Endpoints()
    for name, text in given.items():
        try:
            url = URL(text)
        except ValueError:
            url = URL()
        if not _is_loopback(url):
            raise ConfigError(
                f"{name} must be an address of this machine such as 127.0.0.1, since the token "
                f"is sent there, not {text!r}."
            )
    if len(given) < len(_NAMES):
        raise ConfigError(f"Set both {' and '.join(_NAMES)}, or neither: they belong together.")
    api, gateway = given.values()
    return Endpoints(api.rstrip("/"), URL(gateway), stand_in=True)


def _is_loopback(url: URL) -> bool:
    if url.host == "localhost":
        return True
    try:
        return ip_address(url.host or "").is_loopback
    except ValueError:
        return False
