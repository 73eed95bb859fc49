"""Who may search (DESIGN section 5)."""

from collections.abc import Collection
from dataclasses import dataclass

from core.config import Bot

REFUSAL = (
    "Only members of certain servers may search here. Whoever runs this bot decides which: "
    "`bot.guilds`, and `bot.users` for direct messages."
)


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, and from where."""

    user: int
    server: int | None
    """The server that the bot is in; None in direct messages, and where only the asker has
    installed the app."""


def may_search(asker: Asker, bot: Bot, owners: Collection[int]) -> bool:
    """Members of the servers named (none named: of all); elsewhere the owners and `bot.users`."""
    if asker.server is not None:
        return not bot.guilds or asker.server in bot.guilds
    return asker.user in owners or asker.user in bot.users
