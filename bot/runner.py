"""Runs the bot as a process: signals, logging, the index, exit code."""

import asyncio
import logging
import os
import signal
import time

import discord

from bot.client import LookalikeClient
from bot.cooldowns import Cooldowns
from bot.desk import Desk
from bot.endpoints import Endpoints, read_endpoints
from bot.health import bot_pulse, bot_vitals
from bot.search import Finder
from bot.session import stay_connected
from core.aio import AsyncIndex
from core.config import Config
from core.errors import AppError, ConfigError
from core.health import Doors, open_doors, tell
from core.keys import Keys, read_keys
from core.logs import announce, catch_everything, set_up_logging
from core.notify import Notifier, keep_beating
from core.secrets import read_secret
from core.stages import Stages

logger = logging.getLogger(__name__)

_CLOSE_SECONDS = 1.5


def run(config: Config) -> int:
    """Until SIGTERM or SIGINT; returns the exit code."""
    set_up_logging(config.log)
    catch_everything()
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # we do not speak
    try:
        token = read_secret("DISCORD_TOKEN")
        if not token:
            raise ConfigError(
                "DISCORD_TOKEN is not set. Make an application and put its bot's token there, or "
                "a file's name into DISCORD_TOKEN_FILE; docs/discord.md says how."
            )
        endpoints = read_endpoints()
        endpoints.use()
        keys = read_keys()
        doors = open_doors(config.bot.metrics, keys, "bot.metrics")
    except AppError as error:
        announce(str(error))
        return error.exit_code
    code, closed = asyncio.run(serve(config, token, endpoints, doors, keys))
    if not closed:  # a model that is being loaded or fetched cannot be interrupted
        logging.shutdown()
        os._exit(code)
    return code


async def serve(
    config: Config, token: str, endpoints: Endpoints, doors: Doors, keys: Keys
) -> tuple[int, bool]:
    """Until a signal: the exit code, and whether every thread has come to its end."""
    stop = asyncio.Event()
    stages = Stages()
    notifier = Notifier(stages)
    loop = asyncio.get_running_loop()

    def end() -> None:
        notifier.stopping()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    code = 0
    index = AsyncIndex(config)
    finder = Finder(config, index, endpoints)
    desk = Desk(config, finder, Cooldowns(time.monotonic))
    warming = asyncio.create_task(index.keep_warm())
    pulse = bot_pulse()
    stages.add("event loop", pulse)
    for name, lane in index.pulses.items():
        stages.add(name, lane)
    beating = asyncio.create_task(keep_beating(pulse, index.probe))
    vitals = bot_vitals(config, index, finder.metrics, pulse)
    try:
        with tell(doors, vitals, keys), notifier.telling(lambda: _standing(finder)):
            # Not once Discord answers: it may be away, and to be started anew would not help.
            notifier.ready()
            await stay_connected(desk, lambda: LookalikeClient(desk), token, stop)
    except AppError as error:
        announce(str(error))
        code = error.exit_code
    warming.cancel()
    beating.cancel()
    await finder.close()
    return code, await index.close_within(_CLOSE_SECONDS)


def _standing(finder: Finder) -> str:
    return "answering" if finder.metrics.session_up else "waiting for Discord"
