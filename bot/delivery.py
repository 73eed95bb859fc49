"""Getting a reply to Discord through whatever the network does."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

import aiohttp
import discord

from bot.replies import Reply

logger = logging.getLogger(__name__)

PAUSES_SECONDS = (1.0, 2.0, 4.0, 8.0)
_TOO_LARGE = 413
_TOO_MANY = 429
_ACKNOWLEDGED = 40060
"""Discord's code for a first response that did arrive, though its answer got lost."""


async def deliver(
    send: Callable[[Reply], Awaitable[object]],
    reply: Reply,
    pauses_seconds: Sequence[float] = PAUSES_SECONDS,
) -> bool:
    """Whether it arrived. Tries again what can succeed later (discord.py does not for 503 and
    for dropped connections), with less to upload where it was too much."""
    for pause in (*pauses_seconds, None):
        try:
            await send(reply)
        except (discord.Forbidden, discord.NotFound) as error:
            logger.warning("A reply cannot be sent: %s", error)
            return False
        except discord.HTTPException as error:
            if error.code == _ACKNOWLEDGED:
                return True
            if error.status == _TOO_LARGE and (bare := reply.without_thumbnails()) != reply:
                reply = bare
                continue
            if error.status not in (_TOO_LARGE, _TOO_MANY) and error.status < 500:
                logger.error("Discord refuses a reply: %s", error)  # noqa: TRY400 - it says all
                return False
            why: Exception = error
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            why = error
        else:
            return True
        if pause is None:
            break
        logger.info("Sending a reply again in %g s: %s", pause, why)
        await asyncio.sleep(pause)
    logger.warning("A reply was given up after %d tries", len(pauses_seconds) + 1)
    return False
