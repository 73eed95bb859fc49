"""Many people who post at once."""

import asyncio
import time
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tests.fake_discord import payloads
from tests.fake_discord.server import FakeDiscord

PEOPLE = 25


@dataclass(frozen=True)
class Wave:
    """What became of it."""

    answers: list[dict[str, Any]]
    seconds: float
    """Until the last was answered."""


async def wave(fake: FakeDiscord, channel: str, pictures: list[bytes], seconds: float = 60) -> Wave:
    """Each picture in a message of its own that mentions the bot, by 25 people in turn."""
    started = time.monotonic()
    numbers = []
    for n, picture in enumerate(pictures):
        person = str(500_000_000_000_000_000 + n % PEOPLE)
        attachment = fake.upload(f"{n}.jpg", picture)
        text = f"<@{payloads.BOT}>"
        numbers.append(await fake.post(payloads.message(person, channel, text, [attachment])))
    answers = await asyncio.gather(*(fake.answer(number, seconds) for number in numbers))
    return Wave(answers, time.monotonic() - started)


def lateness_seconds(fake: FakeDiscord) -> float:
    """By how much the latest heartbeat was late."""
    beats = fake.gateway.heartbeats
    gaps = [after - before for before, after in pairwise(beats)]
    return max(gaps) - fake.gateway.heartbeat_seconds
