"""Commands, the message menu, buttons and lists."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import discord

from bot.access import Asker
from bot.commands import Interaction
from bot.delivery import deliver
from bot.desk import Desk
from bot.pages import Choice, parse_order
from bot.posts import files_of, posted
from bot.replies import Reply
from bot.sentences import NO_PICTURE, explain, is_fault
from bot.settings import ServerSettings
from bot.text import escape
from core.errors import UsageError
from core.paths import parse_under

logger = logging.getLogger(__name__)


class Interactions:
    """What bot.commands.Orders asks for, and clicks."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def similar(
        self,
        interaction: Interaction,
        image: discord.Attachment,
        number: int | None,
        folder: str | None,
        *,
        private: bool | None,
    ) -> None:
        """See bot.commands.Orders."""
        server = _asker(interaction).server

        async def search() -> Reply:
            return await self._desk.search([posted(image)], server, number, folder)

        if private is None:  # the pictures of a library are not for every server of the world
            private = server is None and interaction.guild_id is not None
        await self._respond(interaction, search, 1, private=private)

    async def similar_to_message(self, interaction: Interaction, message: discord.Message) -> None:
        """See bot.commands.Orders. Nobody but the asker wanted an answer: it is private."""
        files = files_of(message)
        pictures = [file for file in files if file.may_be_picture]

        async def search() -> Reply:
            if not files:
                return Reply(NO_PICTURE)
            return await self._desk.search(pictures or files, _asker(interaction).server)

        await self._respond(interaction, search, len(pictures), private=True)

    async def settings(
        self, interaction: Interaction, number: int | None, folder: str | None, *, reset: bool
    ) -> None:
        """See bot.commands.Orders."""

        async def change() -> Reply:
            server = interaction.guild_id
            # `default_permissions` is a hint that a server may change.
            if server is None or not interaction.permissions.manage_guild:
                return Reply("This needs the permission Manage Server.")
            settings = ServerSettings() if reset else self._desk.settings.of(server)
            try:
                if folder is not None:
                    settings = replace(settings, folder=str(parse_under(folder)))
                if number is not None:
                    settings = replace(settings, number=number)
                await asyncio.to_thread(self._desk.settings.put, server, settings)
            except UsageError as error:
                return Reply(escape(str(error)))
            except OSError:
                logger.exception("state/bot cannot be written")
                return Reply("The settings cannot be kept at the moment.")
            where = escape(settings.folder) if settings.folder else "all folders"
            matches = settings.number or self._desk.config.bot.results
            return Reply(f"Answers in this server show {matches} matches from {where}.")

        await self._respond(interaction, change, 0, private=True)

    async def click(self, interaction: Interaction) -> None:
        """A button or a list. Whoever clicks in a server gets a page of their own, so that
        nobody's page changes under another's eyes."""
        data: dict[str, Any] = dict(interaction.data or {})
        text = str(data.get("custom_id", ""))
        if Choice.parse(text):
            text = str(next(iter(data.get("values", ())), ""))
        order = parse_order(text)
        if order is not None:
            await self._respond(
                interaction,
                lambda: self._desk.finder.order(order),
                1,
                private=interaction.guild_id is not None,
            )

    async def _respond(
        self,
        interaction: Interaction,
        work: Callable[[], Awaitable[Reply]],
        pictures: int,
        *,
        private: bool,
    ) -> None:
        """Within three seconds that there will be an answer; then the answer."""
        started = time.perf_counter()
        with self._desk.work():
            if not await self._accept(interaction, pictures, private=private):
                return
            try:
                reply = await work()
            except Exception as error:  # noqa: BLE001 - explain logs it; the asker waits
                reply = Reply(explain(error, None), failed=is_fault(error))

            async def send(reply: Reply) -> None:
                if reply.page is None:
                    await interaction.edit_original_response(content=reply.text)
                else:
                    await interaction.edit_original_response(
                        view=reply.view(), attachments=reply.files()
                    )

            arrived = await deliver(send, reply, self._desk.pauses_seconds)
            self._desk.note(reply, started, arrived=arrived)

    async def _accept(self, interaction: Interaction, pictures: int, *, private: bool) -> bool:
        """The first response: to wait, or a private sentence. There is time for one more try."""
        refusal = self._desk.refusal(_asker(interaction), interaction.channel_id or 0, pictures)

        async def respond(_reply: Reply) -> None:
            if refusal is None:
                await interaction.response.defer(thinking=True, ephemeral=private)
            else:
                await interaction.response.send_message(refusal, ephemeral=True)

        arrived = await deliver(respond, Reply(), self._desk.pauses_seconds[:1])
        return arrived and refusal is None


def _asker(interaction: Interaction) -> Asker:
    """In a server only where the app is the server's, not just one person's: the bot is a member
    of it, or its commands are installed."""
    server = interaction.guild_id
    if server is not None and not interaction.is_guild_integration():
        server = server if interaction.client.get_guild(server) else None
    return Asker(interaction.user.id, server)
