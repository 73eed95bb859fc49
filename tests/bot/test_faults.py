"""Discord at its worst: whatever happens, whoever asked is answered, once."""

import asyncio
import contextlib
from typing import Any

import pytest

from core.errors import ConfigError
from tests.bot.conftest import Bots, Session
from tests.bot.test_ways_in import MENTION, SOMEBODY, Run, message, picture, text_of
from tests.fake_discord import payloads
from tests.fake_discord.server import DROP_AFTER, DROP_BEFORE, FakeDiscord
from tests.health import free_port

SEND = "/channels/.*/messages"
EDIT = "/webhooks/.*/messages/@original"
CALLBACK = "/interactions/.*/callback"


async def is_well(bot: Session) -> None:
    """It answers the next one."""
    answer = await bot.fake.answer(await bot.fake.post(message(bot.fake, MENTION)))
    assert "identical" in text_of(answer)


@pytest.mark.parametrize(
    "faults",
    [(429,), (429, 429, 429), (500,), (503, 503), (DROP_BEFORE,), (DROP_AFTER,), (503, DROP_AFTER)],
    ids=str,
)
def test_a_reply_arrives_once(bots: Bots, run: Run, faults: tuple[int | str, ...]) -> None:
    async def talk() -> None:
        async with bots.bot() as bot:
            fake = bot.fake
            fake.fail("POST", SEND, *faults)
            number = await fake.post(message(fake, MENTION))
            assert "identical" in text_of(await fake.answer(number))
            await is_well(bot)
            await fake.until(lambda: len(fake.sent("POST", SEND)) == len(faults) + 2)
            assert len(fake.messages) == 2, "a try that did arrive is not seen twice"

    run(talk())


@pytest.mark.parametrize("faults", [(429,), (500,), (503,), (DROP_BEFORE,), (DROP_AFTER,)], ids=str)
@pytest.mark.parametrize("path", [CALLBACK, EDIT], ids=["callback", "edit"])
def test_an_interaction_is_answered(
    bots: Bots, run: Run, path: str, faults: tuple[int | str, ...]
) -> None:
    async def talk() -> None:
        async with bots.bot() as bot:
            bot.fake.fail("POST" if path == CALLBACK else "PATCH", path, *faults)
            token = await bot.fake.slash(SOMEBODY, picture(bot.fake))
            assert "identical" in text_of(await bot.fake.answer(token))

    run(talk())


@pytest.mark.parametrize("way", ["message", "interaction"])
def test_what_is_too_large_is_sent_without_thumbnails(bots: Bots, run: Run, way: str) -> None:
    async def talk() -> None:
        async with bots.bot() as bot:
            fake = bot.fake
            if way == "message":
                fake.fail("POST", SEND, 413)
                answer = await fake.answer(await fake.post(message(fake, MENTION)))
            else:
                fake.fail("PATCH", EDIT, 413)
                answer = await fake.answer(await fake.slash(SOMEBODY, picture(fake)))
            assert "identical" in text_of(answer)
            assert answer["files"] == {}

    run(talk())


def test_a_channel_where_it_may_not_write_is_left_alone(bots: Bots, run: Run) -> None:
    async def talk() -> None:
        async with bots.bot() as bot:
            bot.fake.fail("POST", "/channels/.*", 403, 403)  # typing, then the answer
            await bot.fake.post(message(bot.fake, MENTION))
            await bot.fake.until(lambda: [r.status for r in bot.fake.requests].count(403) == 2)
            await is_well(bot)
            assert len(bot.fake.sent("POST", SEND)) == 2

    run(talk())


def test_where_it_may_not_read_the_history_it_answers_without_referring(
    bots: Bots, run: Run
) -> None:
    async def talk() -> None:
        async with bots.bot() as bot:
            bot.fake.fail("POST", SEND, 400)
            await bot.fake.post(message(bot.fake, MENTION))
            (answer,) = await bot.fake.until(lambda: list(bot.fake.messages.values()))
            assert "identical" in text_of(answer)
            assert "message_reference" not in answer

    run(talk())


def test_a_download_that_fails_once(bots: Bots, run: Run) -> None:
    async def talk() -> None:
        async with bots.bot() as bot:
            bot.fake.fail("GET", "/cdn", 503)
            await is_well(bot)
            bot.fake.fail("GET", "/cdn", 404)
            answer = await bot.fake.answer(await bot.fake.post(message(bot.fake, MENTION)))
            assert "is not there any more; please post it again" in answer["content"]
            bot.fake.fail("GET", "/cdn", 302)
            await is_well(bot)

    run(talk())


@pytest.mark.parametrize("how", ["op 7", "close 4000", "close 4009", "close 1000", "abort"])
def test_events_missed_meanwhile_are_replayed(bots: Bots, run: Run, how: str) -> None:
    async def talk() -> None:
        async with bots.bot() as bot:
            gateway = bot.fake.gateway
            await is_well(bot)
            if how == "op 7":
                await gateway.ask_to_reconnect()
            elif how == "abort":
                gateway.drop()
            else:
                await gateway.close(int(how.split()[1]))
            missed = await bot.fake.post(message(bot.fake, MENTION))
            assert "identical" in text_of(await bot.fake.answer(missed))
            assert gateway.said == ["IDENTIFY", "RESUME"]
            await is_well(bot)

    run(talk())


def test_a_session_that_is_void_is_begun_anew(bots: Bots, run: Run) -> None:
    async def talk() -> None:
        async with bots.bot() as bot:
            await bot.fake.gateway.invalidate()
            await bot.fake.gateway.until_said("IDENTIFY", "IDENTIFY")
            await is_well(bot)
            bot.fake.gateway.refuses_resume = True
            await bot.fake.gateway.close(4000)
            await bot.fake.gateway.until_said("IDENTIFY", "IDENTIFY", "RESUME", "IDENTIFY")
            await is_well(bot)
            assert len(bot.fake.sent("PUT", "/applications/.*")) == 1

    run(talk())


MALFORMED: list[tuple[str, Any]] = [
    ("MESSAGE_CREATE", {"id": "1"}),
    ("MESSAGE_CREATE", {**payloads.message(SOMEBODY), "mentions": [{}]}),
    ("INTERACTION_CREATE", {"type": 2}),
    ("INTERACTION_CREATE", payloads.interaction(2, SOMEBODY, {})),
    ("INTERACTION_CREATE", payloads.interaction(3, SOMEBODY, {"custom_id": "x"})),
    ("GUILD_CREATE", {"id": "7", "channels": [{}]}),
    ("CHANNEL_UPDATE", None),
    ("NEVER_HEARD_OF", {"what": "ever"}),
]


def test_malformed_events_cost_nothing(bots: Bots, run: Run) -> None:
    async def talk() -> None:
        async with bots.bot() as bot:
            for kind, data in MALFORMED:
                await bot.fake.gateway.dispatch(kind, data)
            await is_well(bot)
            assert bot.fake.gateway.said == ["IDENTIFY"]

    run(talk())


def test_a_session_that_fails_is_replaced(
    bots: Bots, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.session._FIRST_PAUSE_SECONDS", 0.05)

    async def talk() -> None:
        async with bots.bot() as bot:
            await bot.fake.gateway.dispatch("READY", {"nonsense": True})
            await bot.fake.gateway.until_said("IDENTIFY", "IDENTIFY")
            await is_well(bot)
            await bot.fake.gateway.close(4012)
            await bot.fake.gateway.until_said("IDENTIFY", "IDENTIFY", "IDENTIFY")
            await is_well(bot)

    run(talk())


@pytest.mark.parametrize("missing", ["everything", "login", "gateway"])
def test_discord_unreachable_at_the_start(
    bots: Bots,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    missing: str,
) -> None:
    monkeypatch.setattr("bot.session._FIRST_PAUSE_SECONDS", 0.05)

    async def talk() -> None:
        fake = FakeDiscord(bots.judge, port=free_port())
        async with fake:
            if missing == "login":
                fake.fail("GET", "/users/@me", DROP_BEFORE, 503, 502)
            if missing == "gateway":
                fake.gateway.refusals = 1
            if missing != "everything":
                async with bots.bot(fake=fake, wait=False) as bot:
                    await fake.gateway.until_said("IDENTIFY")
                    await is_well(bot)
                return
        async with contextlib.AsyncExitStack() as stack:
            bot = await stack.enter_async_context(bots.bot(fake=fake, wait=False))
            async with asyncio.timeout(20):
                while "cannot be reached" not in caplog.text:
                    await asyncio.sleep(0.01)
            again = await stack.enter_async_context(fake)
            await again.gateway.until_said("IDENTIFY")
            await is_well(bot)
            await bot.stop()

    run(talk())


@pytest.mark.parametrize(
    ("refusal", "sentence"),
    [
        ("token", "does not accept DISCORD_TOKEN"),
        (4004, "does not accept DISCORD_TOKEN"),
        (4014, "message content intent"),
        (4013, "message content intent"),
    ],
    ids=str,
)
def test_what_never_will_work_is_said(
    bots: Bots, run: Run, refusal: str | int, sentence: str
) -> None:
    async def talk() -> None:
        async with FakeDiscord(bots.judge) as fake:
            if isinstance(refusal, int):
                fake.gateway.close_code_at_identify = refusal
            else:
                fake.accepted_token = "another"
            with pytest.raises(ConfigError, match=sentence):
                async with bots.bot(fake=fake, wait=False) as bot:
                    assert bot.task is not None
                    await bot.task

    run(talk())


def test_content_is_refused_only_where_it_was_asked_for(bots: Bots, run: Run) -> None:
    async def talk() -> None:
        async with FakeDiscord(bots.judge) as fake:
            fake.gateway.allows_content = False
            async with bots.bot(fake=fake) as bot:
                await is_well(bot)
            config = bots.config(bot={"channels": [int(payloads.OPEN_CHANNEL)]})
            with pytest.raises(ConfigError, match="Message Content Intent"):
                async with bots.bot(config, fake, wait=False) as bot:
                    assert bot.task is not None
                    await bot.task

    run(talk())
