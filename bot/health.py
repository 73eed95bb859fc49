"""Whether the bot is alive, and whether it can answer, for whoever asks from outside."""

import asyncio
from concurrent.futures import TimeoutError as NotInTime

from bot.metrics import Metrics
from core.aio import AsyncIndex
from core.config import Config
from core.errors import AppError
from core.health import Vitals
from core.pulse import Pulse
from core.redaction import redact

_SILENT_SECONDS = 20
"""Nothing slow is done on the loop."""
_INDEX_SECONDS = 10


def bot_pulse() -> Pulse:
    """Of the event loop."""
    return Pulse(_SILENT_SECONDS)


def bot_vitals(config: Config, index: AsyncIndex, metrics: Metrics, pulse: Pulse) -> Vitals:
    """What core.health tells of the bot; call it in the running loop."""
    loop = asyncio.get_running_loop()

    def ready() -> str | None:
        if not metrics.session_up:
            return "Discord is not connected; the log says why."
        counting = asyncio.run_coroutine_threadsafe(index.count(), loop)
        try:
            counting.result(_INDEX_SECONDS)
        except NotInTime:
            counting.cancel()
            return f"The index has not answered for {_INDEX_SECONDS} s."
        except AppError as error:
            return redact(str(error), config)
        return None

    return Vitals(lambda: pulse.problem, ready, metrics.registry)
