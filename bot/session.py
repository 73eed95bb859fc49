"""One session with Discord after another: whatever ends one, the next follows after a pause."""

import asyncio
import logging
import time
from collections.abc import Callable

import discord

from bot.client import LookalikeClient
from bot.desk import Desk
from core.errors import ConfigError

logger = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0
_GOOD_SECONDS = 60.0
"""A session that was ready and lasted so long had no trouble at its start."""
_DRAIN_SECONDS = 6.0
"""Docker kills ten seconds after its SIGTERM."""

_CLOSE_SECONDS = 2.0
"""A gateway that is dead does not answer the goodbye."""

WRONG_TOKEN = (
    "Discord does not accept DISCORD_TOKEN. Copy the token again from the application's page "
    "Bot at https://discord.com/developers/applications, or reset it there."
)
REFUSED_INTENT = (
    "Discord refuses the message content intent, which bot.channels needs. Switch on Message "
    "Content Intent on the application's page Bot at https://discord.com/developers/applications, "
    "or empty bot.channels: mentions, commands and direct messages work without it."
)
_FINAL = {4004: WRONG_TOKEN, 4013: REFUSED_INTENT, 4014: REFUSED_INTENT}
"""By the gateway's close code."""


async def stay_connected(
    desk: Desk, make_client: Callable[[], LookalikeClient], token: str, stop: asyncio.Event
) -> None:
    """Until `stop` is set. ConfigError if Discord accepts no session like this ever."""
    pause = _FIRST_PAUSE_SECONDS
    while not stop.is_set():
        client = make_client()
        started = time.monotonic()
        desk.metrics.sessions.inc()
        try:
            await _one_session(desk, client, token, stop)
        finally:
            desk.metrics.session_up = False
        if client.was_ready and time.monotonic() - started > _GOOD_SECONDS:
            pause = _FIRST_PAUSE_SECONDS
        if not stop.is_set():
            logger.info("Connecting to Discord again in %g s", pause)
            await _wait(stop, pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


async def _one_session(
    desk: Desk, client: LookalikeClient, token: str, stop: asyncio.Event
) -> None:
    session = asyncio.create_task(client.start(token))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({session, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set() and not session.done():
            await desk.drain(_DRAIN_SECONDS)
    finally:
        stopping.cancel()
        session.cancel()  # before the client is closed: it dispatches events to the end
        await asyncio.wait({session})
        await asyncio.wait({asyncio.create_task(client.close())}, timeout=_CLOSE_SECONDS)
    try:
        await session
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
    except discord.LoginFailure:
        raise ConfigError(WRONG_TOKEN) from None
    except discord.PrivilegedIntentsRequired:
        raise ConfigError(REFUSED_INTENT) from None
    except discord.ConnectionClosed as closed:
        if closed.code in _FINAL:
            raise ConfigError(_FINAL[closed.code]) from None
        logger.warning("Discord ended the session with code %d", closed.code)
    except OSError as error:
        logger.warning("Discord cannot be reached: %s", error)
    except Exception:
        # An event of a shape that discord.py does not know ends up here, too.
        logger.exception("The session with Discord failed")


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass
