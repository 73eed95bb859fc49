"""What a message holds for us: its pictures, and whether the bot is meant."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import Enum

import discord

from core.images import is_candidate_name

MOST_PICTURES = 10


@dataclass(frozen=True, slots=True)
class Posted:
    """A file that somebody posted; nothing of it is downloaded yet."""

    name: str
    size_bytes: int
    url: str
    content_type: str | None = None
    has_width: bool = False

    @property
    def may_be_picture(self) -> bool:
        """By what Discord says of it; the decoder decides. A video has a width, too."""
        if (self.content_type or "").startswith("image/") or is_candidate_name(self.name):
            return True
        return self.content_type is None and self.has_width


class Way(Enum):
    """How a message came to be meant for the bot."""

    DIRECT = "direct message"
    MENTION = "mention"
    CHANNEL = "every picture of this channel is answered"


def posted(file: discord.Attachment) -> Posted:
    """What is known of an attachment."""
    width = file.width is not None
    return Posted(file.filename, file.size, file.url, file.content_type, width)


def files_of(message: discord.Message) -> list[Posted]:
    """Its attachments, and those of messages forwarded in it."""
    sources: Iterable[discord.Message | discord.MessageSnapshot] = [
        message,
        *message.message_snapshots,
    ]
    return [posted(file) for source in sources for file in source.attachments]


def way_in(message: discord.Message, me: int, channels: Collection[int]) -> Way | None:
    """None if the message is none of the bot's business.

    Neither are messages of bots and webhooks. The bot's own are told by their id as well: its
    member may be cached without the mark of a bot, and it would answer itself for ever.
    """
    if message.author.bot or message.author.id == me or message.webhook_id is not None:
        return None
    if message.guild is None:
        return Way.DIRECT
    if any(user.id == me for user in message.mentions):
        return Way.MENTION
    parent = getattr(message.channel, "parent_id", None)  # of a thread
    if message.channel.id in channels or parent in channels:
        return Way.CHANNEL
    return None


def is_spoken_to(message: discord.Message, me: int) -> bool:
    """Whether somebody wrote the mention. Discord adds one by itself to every reply to the bot,
    and "thanks!" needs no answer."""
    return f"<@{me}>" in message.content or f"<@!{me}>" in message.content


def answered_message(message: discord.Message) -> discord.Message | None:
    """The message that this one replies to, where Discord sent it along."""
    resolved = message.reference.resolved if message.reference else None
    return resolved if isinstance(resolved, discord.Message) else None
