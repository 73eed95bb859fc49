"""Does Discord know the bot, and may it do what the configuration asks of it?"""

from collections.abc import Iterator

from cli.doctor.facts import Facts
from cli.doctor.findings import Finding, from_error, note, ok, problem
from cli.doctor.quantities import count
from core.errors import AppError, ConfigError
from core.secrets import read_secret

_SECONDS = 8


def check(facts: Facts) -> Iterator[Finding]:
    """The token, the intent, the channels; opens no session."""
    channels = facts.config.bot.channels
    token = read_secret("DISCORD_TOKEN")
    if token is None:
        yield note(
            "DISCORD_TOKEN is not set, so there is no bot.",
            "Nothing, if none is wanted; else docs/discord.md says how to get a token.",
        )
        return
    # Most have no bot, and discord.py takes a second to load.
    from bot.endpoints import read_endpoints
    from bot.introduction import introduce
    from bot.session import REFUSED_INTENT

    facts.show("Asking Discord", 0, None)
    try:
        bot = introduce(token, read_endpoints(), channels, seconds=_SECONDS)
    except ConfigError:
        raise
    except AppError as error:
        yield from_error(
            error, "Look after the network and its proxies; the bot goes on trying by itself."
        )
        return
    yield ok(f"Discord knows the bot as {bot.name}, in about {count(bot.servers, 'server')}.")
    if not bot.servers:
        yield note("The bot is in no server.", f"Invite it: {bot.invitation}")
    if channels and not bot.reads_content:
        yield from_error(ConfigError(REFUSED_INTENT), "")
    elif channels:
        yield ok("The message content intent, which bot.channels needs, is switched on.")
    if bot.unseen_channels:
        yield problem(
            f"The bot cannot see {', '.join(map(str, bot.unseen_channels))} of bot.channels.",
            "Let it view them there, invite it to their server, or take them out.",
        )
    if bot.elsewhere:
        yield problem(
            f"Discord sends commands and clicks to {bot.elsewhere} instead of the bot.",
            "Empty Interactions Endpoint URL on the application's page General Information.",
        )
