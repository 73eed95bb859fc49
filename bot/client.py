"""The connection to Discord: intents, events, commands, the invitation."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import discord

from bot.commands import make_tree, sync
from bot.desk import Desk
from bot.interactions import Interactions
from bot.messages import Messages
from core.config import Bot

logger = logging.getLogger(__name__)

PERMISSIONS = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    embed_links=True,
    attach_files=True,
    read_message_history=True,
)
"""The least that answers, thumbnails included, in channels and threads."""


def intents(config: Bot) -> discord.Intents:
    """The least that works; message content, which is privileged, only for `bot.channels`."""
    wanted = discord.Intents(guilds=True, guild_messages=True, dm_messages=True)
    wanted.message_content = bool(config.channels)
    return wanted


def _survive_malformed_events(client: discord.Client) -> None:
    """discord.py lets one event that it cannot read end the whole session. READY may: without it
    there is none."""
    parsers = client._connection.parsers

    def guarded(event: str, parse: Callable[[Any], None]) -> Callable[[Any], None]:
        def read(data: Any) -> None:
            try:
                parse(data)
            except Exception:
                logger.exception("An event %s could not be read", event)

        return read

    for event, parse in parsers.items():
        if event != "READY":
            parsers[event] = guarded(event, parse)


class LookalikeClient(discord.Client):
    """One session; after a failure that discord.py cannot mend, a new one takes its place."""

    def __init__(self, desk: Desk, **options: Any) -> None:
        """`options` are discord.Client's."""
        super().__init__(
            intents=intents(desk.config.bot),
            allowed_mentions=discord.AllowedMentions.none(),
            # Nothing is kept of what is said: a busy bot needs no more memory than a quiet one.
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            **options,
        )
        self._desk = desk
        self._messages = Messages(desk)
        self._interactions = Interactions(desk)
        self._tree = make_tree(self, self._interactions)
        _survive_malformed_events(self)
        self._syncing: asyncio.Task[None] | None = None
        desk.metrics.latency = lambda: self.latency
        self.was_ready = False

    async def setup_hook(self) -> None:
        """Once, after the token was accepted and before the first event."""
        application = self.application
        assert application is not None
        team = application.team.members if application.team else [application.owner]
        self._desk.owners = {person.id for person in team}
        link = discord.utils.oauth_url(application.id, permissions=PERMISSIONS)
        logger.info("Invite the bot to a server: %s", link)
        file = self._desk.config.state / "bot" / "commands.json"
        self._syncing = asyncio.create_task(sync(self._tree, file))

    async def on_ready(self) -> None:
        """Again after every session that could not be resumed."""
        self.was_ready = True
        self._desk.metrics.session_up = True
        logger.info("Ready as %s in %d servers", self.user, len(self.guilds))

    async def on_resumed(self) -> None:
        """After a session that could be."""
        self._desk.metrics.session_up = True

    async def on_disconnect(self) -> None:
        """Whatever follows."""
        self._desk.metrics.session_up = False

    async def on_message(self, message: discord.Message) -> None:
        """A post, a mention, a reply, a direct message."""
        assert self.user is not None
        await self._messages.take(message, self.user.id)

    async def on_interaction(self, interaction: discord.Interaction[discord.Client]) -> None:
        """Buttons and lists; commands come from the tree."""
        if interaction.type is discord.InteractionType.component:
            await self._interactions.click(interaction)

    async def on_error(self, event_method: str, /, *_args: Any, **_kwargs: Any) -> None:
        """What a handler let through."""
        logger.error("%s failed", event_method, exc_info=True)  # noqa: LOG014 - called in one

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        """See discord.Client, whose own timers go on dispatching after its end."""
        if not self.is_closed():
            super().dispatch(event, *args, **kwargs)

    async def close(self) -> None:
        """See discord.Client."""
        if self._syncing:
            self._syncing.cancel()
        await super().close()
