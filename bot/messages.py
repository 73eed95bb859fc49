"""Posts, mentions, replies and direct messages: which are answered, and how."""

import asyncio
import contextlib
import time
from typing import Any

import aiohttp
import discord

from bot.access import REFUSAL, Asker
from bot.delivery import deliver
from bot.desk import Desk
from bot.posts import Posted, Way, answered_message, files_of, is_spoken_to, way_in
from bot.replies import Reply
from bot.sentences import SHOW_ME, pause

_TYPING_SECONDS = 5.0
"""So long Discord shows that somebody types."""
_MAY_NOT_REFER = 160002
"""Discord's code where the bot may write but not read the message history."""


class Messages:
    """One session's."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._typed: dict[int, float] = {}

    async def take(self, message: discord.Message, me: int) -> None:
        """Answer it if it is meant for the bot, whose id is `me`."""
        way = way_in(message, me, self._desk.config.bot.channels)
        if way is None or self._desk.is_closing:
            return
        files = files_of(message)
        if way is Way.CHANNEL:
            files = _pictures(files)
            if not files:
                return
        elif not files:
            answered = answered_message(message)
            files = files_of(answered) if answered else []
            if not files and way is Way.MENTION and not is_spoken_to(message, me):
                return
        with self._desk.work():
            await self._answer(message, way, _pictures(files) or files)

    async def _answer(self, message: discord.Message, way: Way, files: list[Posted]) -> None:
        server = message.guild.id if message.guild else None
        asker = Asker(message.author.id, server)
        cooldowns = self._desk.cooldowns
        if not self._desk.may(asker):
            if way is not Way.CHANNEL and cooldowns.first_refusal(asker.user):
                await deliver(lambda reply: message.author.send(reply.text), Reply(REFUSAL), ())
            return
        if not files:
            await self._send(message, Reply(SHOW_ME))
            return
        wait = cooldowns.take(asker.user, message.channel.id, len(files))
        if wait > 0:
            if cooldowns.first_refusal(asker.user):
                await self._send(message, Reply(pause(wait, time.time())))
            return
        typing = asyncio.create_task(self._type(message.channel, message.channel.id))
        started = time.perf_counter()
        reply = await self._desk.search(files, server)
        arrived = await self._send(message, reply)
        self._desk.note(reply, started, arrived=arrived)
        await typing

    async def _send(self, message: discord.Message, reply: Reply) -> bool:
        nonce = str(message.id)  # Discord drops a second one: a try that did arrive

        async def send(reply: Reply, **reference: Any) -> None:
            if reply.page is None:
                await message.channel.send(reply.text, nonce=nonce, **reference)
            else:
                await message.channel.send(
                    view=reply.view(), files=reply.files(), nonce=nonce, **reference
                )

        async def answer(reply: Reply) -> None:
            try:
                await send(reply, reference=message.to_reference(fail_if_not_exists=False))
            except discord.HTTPException as error:
                if error.code != _MAY_NOT_REFER:
                    raise
                await send(reply)

        return await deliver(answer, reply, self._desk.pauses_seconds)

    async def _type(self, channel: discord.abc.Messageable, number: int) -> None:
        """At most one request while Discord still shows the last."""
        now = time.monotonic()
        self._typed = {c: at for c, at in self._typed.items() if now - at < _TYPING_SECONDS}
        if number not in self._typed:
            self._typed[number] = now
            with contextlib.suppress(discord.DiscordException, aiohttp.ClientError, OSError):
                await channel.typing()


def _pictures(files: list[Posted]) -> list[Posted]:
    return [file for file in files if file.may_be_picture]
