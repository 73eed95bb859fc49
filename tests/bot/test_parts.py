"""The parts that need no Discord, as tables."""

import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from bot.access import Asker, may_search
from bot.answers import Answers, Found
from bot.cooldowns import MOST_PER_CHANNEL, MOST_PER_USER, WINDOW_SECONDS, Cooldowns
from bot.endpoints import Endpoints, read_endpoints
from bot.pages import Like, More, parse_order
from bot.sentences import explain, freshness
from bot.settings import ServerSettings, Settings
from bot.text import escape, shorten
from core.config import Bot
from core.errors import AppError, ConfigError, ModelError, StoreError
from core.index import Timings
from core.records import ImageId
from core.state import Progress, State, Status

ID = ImageId("12345678-1234-5678-9abc-123456789abc")


@pytest.mark.parametrize(
    ("asker", "bot", "expected"),
    [
        (Asker(1, 10), Bot(), True),
        (Asker(1, 10), Bot(guilds=(10,)), True),
        (Asker(1, 11), Bot(guilds=(10,)), False),
        (Asker(7, 11), Bot(guilds=(10,)), False),  # the owner, in a server that is not named
        (Asker(1, None), Bot(), False),
        (Asker(1, None), Bot(guilds=(10,)), False),
        (Asker(7, None), Bot(), True),
        (Asker(2, None), Bot(users=(2,)), True),
        (Asker(2, 11), Bot(users=(2,), guilds=(10,)), False),
    ],
)
def test_who_may_search(asker: Asker, bot: Bot, expected: bool) -> None:  # noqa: FBT001
    assert may_search(asker, bot, owners={7}) is expected


def test_cooldowns_count_pictures_of_a_person_and_of_a_channel() -> None:
    now = [0.0]
    cooldowns = Cooldowns(lambda: now[0])
    assert cooldowns.take(1, 1, MOST_PER_USER - 1) == 0
    now[0] = 10
    assert cooldowns.take(1, 1, 1) == 0
    assert cooldowns.take(1, 2, 1) == WINDOW_SECONDS - 10
    assert cooldowns.take(1, 2, MOST_PER_USER) == WINDOW_SECONDS
    assert cooldowns.take(2, 1, 5) == 0
    now[0] = 60
    assert cooldowns.take(1, 1, MOST_PER_USER - 1) == 0
    for user in range(10, 14):
        cooldowns.take(user, 1, MOST_PER_USER)
    assert cooldowns.take(99, 1, MOST_PER_CHANNEL) == WINDOW_SECONDS
    assert cooldowns.take(99, 2, MOST_PER_CHANNEL) == 0, "one message is never impossible"
    now[0] = 200
    cooldowns.take(1, 1, 1)
    assert len(cooldowns._taken) == 2, "nobody is remembered for ever"


def test_a_refusal_is_told_once_a_minute() -> None:
    now = [0.0]
    cooldowns = Cooldowns(lambda: now[0])
    assert [cooldowns.first_refusal(1), cooldowns.first_refusal(2)] == [True, True]
    now[0] = 59
    assert not cooldowns.first_refusal(1)
    now[0] = 60
    assert cooldowns.first_refusal(1)


@pytest.mark.parametrize(
    "order", [More("0123456789abcdef", 9, 45, 5), Like(ID, 0, 10), Like(ID, 89, 10)]
)
def test_a_custom_id_says_it_all(order: More | Like) -> None:
    assert parse_order(str(order)) == order
    assert len(str(order)) <= 100


@pytest.mark.parametrize(
    "text",
    ["", "more", f"like:{ID}", f"like:{ID}:0:11", f"like:{ID}:0:0", f"like:{ID}:95:5", "x" * 100,
     f"like:{ID}:0:5\n", f"LIKE:{ID}:0:5", "more:../../etc/passwd:0:0:5"],
)  # fmt: skip
def test_a_custom_id_that_is_none_of_ours(text: str) -> None:
    assert parse_order(text) is None


def test_names_lose_nothing_that_can_be_seen() -> None:
    assert shorten("a" * 100 + ".jpg", 48) == "a" * 36 + "…" + "aaaaaaa.jpg"
    assert shorten("a\u202eb\nc\u200b", 48) == "a b c "
    assert escape("`*_~|<>[]()\\") == "\\`\\*\\_\\~\\|\\<\\>\\[\\]\\(\\)\\\\"
    assert "@everyone" not in escape("@everyone")


@given(st.text())
def test_escaping_keeps_every_letter(text: str) -> None:
    escaped = escape(text).replace("@\u200b", "@")
    bare = "".join(c for n, c in enumerate(escaped) if c != "\\" or _is_escaped(escaped, n))
    assert bare == text
    assert len(shorten(text, 20)) <= 20


def _is_escaped(text: str, position: int) -> bool:
    slashes = 0
    while position - slashes > 0 and text[position - slashes - 1] == "\\":
        slashes += 1
    return slashes % 2 == 1


GATEWAY = "ws://127.0.0.1:1/gateway/"


@pytest.mark.parametrize(
    "environ",
    [
        {"DISCORD_API_BASE": "https://evil.example/api/v10", "DISCORD_GATEWAY_URL": GATEWAY},
        {"DISCORD_API_BASE": "http://127.0.0.1/api", "DISCORD_GATEWAY_URL": "wss://evil.example"},
        {"DISCORD_API_BASE": "http://127.0.0.1.evil.example/", "DISCORD_GATEWAY_URL": GATEWAY},
        {"DISCORD_API_BASE": "http://127.0.0.1@evil.example/", "DISCORD_GATEWAY_URL": GATEWAY},
        {"DISCORD_API_BASE": "http://10.0.0.1/", "DISCORD_GATEWAY_URL": GATEWAY},
        {"DISCORD_API_BASE": "http://0.0.0.0/", "DISCORD_GATEWAY_URL": GATEWAY},
        {"DISCORD_API_BASE": "http://[half", "DISCORD_GATEWAY_URL": GATEWAY},
        {"DISCORD_API_BASE": "rubbish", "DISCORD_GATEWAY_URL": GATEWAY},
        {"DISCORD_API_BASE": "http://127.0.0.1/api"},
        {"DISCORD_GATEWAY_URL": GATEWAY},
    ],
)
def test_the_token_goes_nowhere_else(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="DISCORD_"):
        read_endpoints(environ)


@pytest.mark.parametrize(
    ("url", "served"),
    [
        ("https://cdn.discordapp.com/attachments/1/2/a.jpg?ex=1", True),
        ("https://media.discordapp.net/a.jpg", True),
        ("http://cdn.discordapp.com/a.jpg", False),
        ("https://cdn.discordapp.com:8443/a.jpg", False),
        ("https://cdn.discordapp.com.evil.example/a.jpg", False),
        ("https://cdn.discordapp.com@evil.example/a.jpg", False),
        ("https://me@cdn.discordapp.com/a.jpg", False),
        ("https://127.0.0.1/a.jpg", False),
        ("file:///etc/passwd", False),
    ],
)
def test_attachments_come_from_discord_only(url: str, served: bool) -> None:  # noqa: FBT001
    assert read_endpoints({}).serves(URL(url)) is served


def test_a_stand_in_serves_this_machine_only() -> None:
    there = read_endpoints(
        {"DISCORD_GATEWAY_URL": GATEWAY, "DISCORD_API_BASE": "http://localhost:5/api/v10/"}
    )
    assert there == Endpoints("http://localhost:5/api/v10", URL(GATEWAY), stand_in=True)
    assert there.serves(URL("http://127.0.0.1:99/a.jpg"))
    assert not there.serves(URL("https://cdn.discordapp.com/a.jpg"))


def test_answers_are_kept_recalled_and_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.answers._MOST_KEPT", 3)
    monkeypatch.setattr("bot.answers._PRUNE_EVERY", 1)
    answers = Answers(tmp_path / "answers")
    found = [Found("a.jpg", None, "m", Timings(1, 2, 3), ((ID, 0.5),)), Found("b.jpg", "is bad")]
    keys = [answers.keep(found) for _ in range(10)]
    assert answers.recall(str(keys[-1])) == found
    assert len(list((tmp_path / "answers").iterdir())) == 4
    (tmp_path / "answers" / f"{keys[-1]}.json").write_text('[{"name": 1}]')
    assert answers.recall(str(keys[-1])) is None
    assert answers.recall("0123456789abcdef") is None


def test_a_disk_that_is_full_costs_the_button_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert Answers(tmp_path / "file" / "answers").keep([]) is None


def test_settings_survive_and_damage_is_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "bot" / "servers.json"
    Settings(file).put(7, ServerSettings(3, "dataset/a"))
    assert Settings(file).of(7) == ServerSettings(3, "dataset/a")
    assert Settings(file).of(None) == Settings(file).of(8) == ServerSettings()
    for damage in ('{"7": {"colour": 1}}', '{"7": 1}', "[1]", "{", ""):
        file.write_text(damage)
        assert Settings(file).of(7) == ServerSettings()


@pytest.mark.parametrize("error", [StoreError, ModelError, AppError, RuntimeError])
def test_no_address_and_no_path_leave_the_machine(error: type[Exception]) -> None:
    told = explain(error("/srv/secret at 10.0.0.1 is away"), None)
    assert "secret" not in told
    assert "10.0.0.1" not in told
    assert told.endswith(".")


def _status(state: State, **more: Any) -> Status:
    return Status(state, {}, None, "", 0, **more)


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (None, None),
        (_status("watching"), "up to date"),
        (_status("scanning"), "index being built"),
        (
            _status("scanning", progress=Progress(1, 3, 1, None)),
            "index being built, 33 % of 3 files",
        ),
        (_status("scanning", progress=Progress(0, 0, 0, None)), "index being built"),
        (_status("suspended"), "partly out of date: a folder is missing"),
        (_status("stopped"), "not updated: the daemon is stopped"),
        (_status("unknown"), None),
    ],
)
def test_the_line_of_freshness(status: Status | None, line: str | None) -> None:
    assert freshness(status) == line


def test_no_letter_of_the_alphabet_is_escaped() -> None:
    plain = string.ascii_letters + string.digits + " .,-:+ß猫"
    assert escape(plain) == plain
