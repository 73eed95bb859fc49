"""What Discord says of the bot before any session: whose token it is, and what it may."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

import discord

from bot.client import PERMISSIONS
from bot.endpoints import Endpoints
from bot.session import WRONG_TOKEN
from core.errors import AppError, ConfigError


@dataclass(frozen=True, slots=True)
class Introduction:
    """The bot as Discord knows it."""

    name: str
    servers: int
    """About as many as it is in."""
    invitation: str
    reads_content: bool
    """Whether the message content intent is switched on for it."""
    elsewhere: str | None
    """The address that gets commands and clicks in place of the bot."""
    unseen_channels: list[int]
    """Those of the channels asked for that it cannot see."""


def introduce(
    token: str, endpoints: Endpoints, channels: Collection[int], *, seconds: float
) -> Introduction:
    """Asks Discord, opens no session. ConfigError if it refuses the token; AppError if it does not
    answer in time."""
    endpoints.use()
    try:
        return asyncio.run(asyncio.wait_for(_ask(token, channels), seconds))
    except discord.LoginFailure:
        raise ConfigError(WRONG_TOKEN) from None
    except TimeoutError:
        raise AppError(f"Discord does not answer within {seconds:g} s.") from None
    except (OSError, discord.HTTPException) as error:
        raise AppError(f"Discord cannot be asked: {error}.") from None


async def _ask(token: str, channels: Collection[int]) -> Introduction:
    async with discord.Client(intents=discord.Intents(guilds=True)) as client:
        await client.login(token)
        about, user = client.application, client.user
        assert about is not None
        assert user is not None
        flags = about.flags
        return Introduction(
            user.name,
            about.approximate_guild_count,
            discord.utils.oauth_url(about.id, permissions=PERMISSIONS),
            # Bots in fewer than a hundred servers need no approval; theirs is called limited.
            flags.gateway_message_content or flags.gateway_message_content_limited,
            about.interactions_endpoint_url,
            [each for each in channels if not await _sees(client, each)],
        )


async def _sees(client: discord.Client, channel: int) -> bool:
    try:
        await client.fetch_channel(channel)
    except (discord.NotFound, discord.Forbidden, discord.InvalidData):
        return False
    return True
