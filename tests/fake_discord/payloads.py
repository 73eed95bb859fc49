"""What Discord's gateway sends, with the fields that discord.py cannot do without."""

import itertools
from typing import Any

APPLICATION = "100000000000000001"
BOT = "100000000000000002"
OWNER = "100000000000000003"
SERVER = "200000000000000001"
CHANNEL = "300000000000000001"
OPEN_CHANNEL = "300000000000000002"
"""One in which every picture is answered, where the configuration says so."""
THIRD_CHANNEL = "300000000000000003"
DIRECT = "300000000000000009"
TIME = "2026-01-01T00:00:00.000000+00:00"
MANAGE_SERVER = 1 << 5
READS_CONTENT = 1 << 19
"""Flag of an application with the message content intent, in fewer than a hundred servers."""

_ids = itertools.count(1_400_000_000_000_000_000)


def new_id() -> str:
    """A snowflake that nothing else has."""
    return str(next(_ids))


def user(number: str, *, bot: bool = False) -> dict[str, Any]:
    return {
        "id": number, "username": f"user{number[-3:]}", "discriminator": "0", "avatar": None,
        "bot": bot,
    }  # fmt: skip


def application(*, reads_content: bool = True, elsewhere: str | None = None) -> dict[str, Any]:
    return {
        "id": APPLICATION, "name": "Lookalike", "icon": None, "description": "",
        "flags": READS_CONTENT if reads_content else 0, "approximate_guild_count": 1,
        "interactions_endpoint_url": elsewhere,
        "bot_public": False, "bot_require_code_grant": False, "verify_key": "00",
        "owner": user(OWNER),
    }  # fmt: skip


def server(number: str = SERVER) -> dict[str, Any]:
    channels = [
        {"id": channel, "type": 0, "name": "pictures", "position": 0, "permission_overwrites": []}
        for channel in (CHANNEL, OPEN_CHANNEL, THIRD_CHANNEL)
    ]
    return {
        "id": number, "name": "A server", "unavailable": False, "owner_id": OWNER,
        "roles": [{"id": number, "name": "@everyone", "permissions": "0", "position": 0}],
        "channels": channels if number == SERVER else [], "members": [], "threads": [],
        "member_count": 2, "joined_at": TIME,
    }  # fmt: skip


def message(
    author: str,
    channel: str = CHANNEL,
    text: str = "",
    attachments: list[dict[str, Any]] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A post as its author made it; without an author's server in direct messages."""
    made = {
        "id": new_id(), "channel_id": channel, "type": 0, "content": text, "timestamp": TIME,
        "edited_timestamp": None, "tts": False, "mention_everyone": False, "mentions": [],
        "mention_roles": [], "attachments": attachments or [], "embeds": [], "pinned": False,
        "components": [], "author": user(author), **more,
    }  # fmt: skip
    if channel != DIRECT:
        made = {"guild_id": SERVER, "member": {"roles": [], "joined_at": TIME, "flags": 0}} | made
    return made


def interaction(kind: int, who: str, data: dict[str, Any], **more: Any) -> dict[str, Any]:
    """`kind` 2: a command, 3: a click. Of a server where the app is installed, unless `more`."""
    made = {
        "id": new_id(), "application_id": APPLICATION, "type": kind, "data": data,
        "token": f"token-{new_id()}", "version": 1, "attachment_size_limit": 10 << 20,
        "channel_id": CHANNEL,
        "channel": {"id": CHANNEL, "type": 0, "name": "pictures", "position": 0},
        "guild_id": SERVER, "locale": "en-GB", "entitlements": [], "context": 0,
        "authorizing_integration_owners": {"0": SERVER},
        "member": {
            "user": user(who), "roles": [], "joined_at": TIME, "permissions": "0", "flags": 0,
        },
        **more,
    }  # fmt: skip
    if made["guild_id"] is None:
        made["user"] = made.pop("member")["user"]
        del made["guild_id"]
    return made
