"""The commands that Discord shows, and telling Discord of them only when they changed."""

import asyncio
import hashlib
import json
import logging
from pathlib import Path
from typing import Protocol

import aiohttp
import discord
from discord import app_commands

from bot.pages import MOST_SHOWN
from core.files import read_json, write_json

logger = logging.getLogger(__name__)

_LONGEST_PAUSE_SECONDS = 300.0
Interaction = discord.Interaction[discord.Client]
Number = app_commands.Range[int, 1, MOST_SHOWN]


class Orders(Protocol):
    """What the commands do; the client has it."""

    async def similar(
        self,
        interaction: Interaction,
        image: discord.Attachment,
        number: int | None,
        folder: str | None,
        *,
        private: bool | None,
    ) -> None:
        """/similar."""
        ...

    async def similar_to_message(self, interaction: Interaction, message: discord.Message) -> None:
        """The message menu."""
        ...

    async def settings(
        self, interaction: Interaction, number: int | None, folder: str | None, *, reset: bool
    ) -> None:
        """/similar-settings."""
        ...


def make_tree(client: discord.Client, orders: Orders) -> app_commands.CommandTree[discord.Client]:
    """For servers, direct messages and people who install the app for themselves."""
    tree = app_commands.CommandTree(
        client,
        allowed_installs=app_commands.AppInstallationType(guild=True, user=True),
        allowed_contexts=app_commands.AppCommandContext(
            guild=True, dm_channel=True, private_channel=True
        ),
    )

    @tree.command(description="The pictures most like one of yours, and how far they are from it")
    @app_commands.describe(
        image="The picture to search with",
        number="How many matches, 1 to 10",
        folder="Only below this folder: ROOT or ROOT/folder",
        private="Only you see the answer",
    )
    async def similar(
        interaction: Interaction,
        image: discord.Attachment,
        number: Number | None = None,
        folder: app_commands.Range[str, 1, 200] | None = None,
        private: bool | None = None,  # noqa: FBT001 - a command's option
    ) -> None:
        await orders.similar(interaction, image, number, folder, private=private)

    @tree.context_menu(name="Find similar images")
    async def find_similar(interaction: Interaction, message: discord.Message) -> None:
        await orders.similar_to_message(interaction, message)

    @tree.command(
        name="similar-settings", description="How this server's pictures are answered by default"
    )
    @app_commands.describe(
        number="How many matches, 1 to 10",
        folder="The folder that is searched: ROOT or ROOT/folder",
        reset="Back to what is configured",
    )
    @app_commands.default_permissions(manage_guild=True)
    @app_commands.allowed_installs(guilds=True, users=False)
    @app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
    async def settings(
        interaction: Interaction,
        number: Number | None = None,
        folder: app_commands.Range[str, 1, 200] | None = None,
        reset: bool = False,  # noqa: FBT001, FBT002 - a command's option
    ) -> None:
        await orders.settings(interaction, number, folder, reset=reset)

    return tree


async def sync(tree: app_commands.CommandTree[discord.Client], file: Path) -> None:
    """Make Discord's list equal to ours, trying until it is; nothing to do if it was before.

    `file` remembers what was told last. Discord allows few such calls a day.
    """
    commands = [command.to_dict(tree) for command in tree.get_commands()]
    text = json.dumps([tree.client.application_id, commands], sort_keys=True)
    told = {"commands": hashlib.sha256(text.encode()).hexdigest()}
    if await asyncio.to_thread(read_json, file) == told:
        return
    pause = 5.0
    while True:
        try:
            await tree.sync()
        except app_commands.CommandSyncFailure as error:
            logger.error("Discord refuses the commands: %s", error)  # noqa: TRY400 - it says all
            return
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            logger.warning("The commands will be sent again in %g s: %s", pause, error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
        else:
            break
    logger.info("Discord was told of %d commands", len(commands))
    try:
        await asyncio.to_thread(_remember, file, told)
    except OSError as error:
        logger.warning("state/bot cannot be written, so the next start sends them again: %s", error)


def _remember(file: Path, told: dict[str, str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, told)
