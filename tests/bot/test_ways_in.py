"""Every way to ask, with the real client: what is answered, what is left alone, who sees it."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.bot.conftest import Bots
from tests.fake_discord import payloads
from tests.fake_discord.gateway import MESSAGE_CONTENT
from tests.fake_discord.judge import walk
from tests.fake_discord.server import FakeDiscord
from tests.pictures import jpeg

Run = Callable[[Coroutine[Any, Any, None]], None]
SOMEBODY = "400000000000000001"
MENTION = f"<@{payloads.BOT}>"


def text_of(message: dict[str, Any]) -> str:
    """All that can be read in an answer."""
    texts = [one["content"] for one in walk(message["components"]) if one["type"] == 10]
    return "\n".join([message["content"], *texts])


def picture(fake: FakeDiscord, seed: int = 3, name: str = "query.jpg", **more: Any) -> Any:
    return fake.upload(name, jpeg(seed), **more)


def message(fake: FakeDiscord, text: str = "", **more: Any) -> dict[str, Any]:
    return payloads.message(SOMEBODY, text=text, attachments=[picture(fake)], **more)


def test_a_mention_is_answered_without_a_privileged_intent(bots: Bots, run: Run) -> None:
    async def talk() -> None:
        async with bots.bot() as bot:
            answer = await bot.fake.answer(await bot.fake.post(message(bot.fake, MENTION)))
            assert bot.fake.gateway.intents == 4609
            text = text_of(answer)
            assert "**Closest to** query.jpg" in text
            assert "**1.** 3\\_x.jpg\n-# 0.0000, identical · dataset/odd" in text
            assert "12 pictures" in text
            assert "colour-layout" in text
            assert "decode" in text
            assert list(answer["files"]) == [f"match-{n}.jpg" for n in range(1, 6)]
            assert all(file.startswith(b"\xff\xd8") for file in answer["files"].values())
            (request,) = bot.fake.sent("POST", "/channels/.*/messages")
            assert request.body["allowed_mentions"] == {"parse": []}

    run(talk())


def test_a_reply_to_a_picture_searches_with_it(bots: Bots, run: Run) -> None:
    async def talk() -> None:
        async with bots.bot() as bot:
            original = message(bot.fake)
            question = payloads.message(
                SOMEBODY,
                text=MENTION,
                message_reference={"message_id": original["id"], "channel_id": payloads.CHANNEL},
                referenced_message=original,
            )
            answer = await bot.fake.answer(await bot.fake.post(question))
            assert "identical" in text_of(answer)

    run(talk())


def test_a_reply_to_the_bot_is_answered_if_it_holds_a_picture(bots: Bots, run: Run) -> None:
    async def talk() -> None:
        async with bots.bot() as bot:
            pinged = {"mentions": [payloads.user(payloads.BOT, bot=True)]}  # by Discord itself
            thanks = payloads.message(SOMEBODY, text="thanks!", **pinged)
            await bot.fake.post(thanks)
            answer = await bot.fake.answer(await bot.fake.post(message(bot.fake, **pinged)))
            assert "identical" in text_of(answer)
            assert len(bot.fake.sent("POST", "/channels/.*/messages")) == 1

    run(talk())


def test_a_forwarded_picture_counts(bots: Bots, run: Run) -> None:
    async def talk() -> None:
        async with bots.bot() as bot:
            snapshot = {"message": message(bot.fake)}
            forwarded = payloads.message(SOMEBODY, text=MENTION, message_snapshots=[snapshot])
            assert "identical" in text_of(await bot.fake.answer(await bot.fake.post(forwarded)))

    run(talk())


def test_direct_messages_are_for_the_owner_and_those_named(bots: Bots, run: Run) -> None:
    async def talk() -> None:
        async with bots.bot(bots.config(bot={"users": [int(SOMEBODY)]})) as bot:
            for who in (payloads.OWNER, SOMEBODY):
                post = payloads.message(who, payloads.DIRECT, "", [picture(bot.fake)])
                assert "identical" in text_of(await bot.fake.answer(await bot.fake.post(post)))
            stranger = "400000000000000009"
            post = payloads.message(stranger, payloads.DIRECT, "", [picture(bot.fake)])
            for _ in range(3):
                await bot.fake.post(post)

            def told() -> list[dict[str, Any]]:
                return [m for m in bot.fake.messages.values() if "bot.users" in m["content"]]

            await bot.fake.until(told)
            last = payloads.message(payloads.OWNER, payloads.DIRECT, "hello")
            assert "Post a picture" in text_of(await bot.fake.answer(await bot.fake.post(last)))
            assert len(told()) == 1, "one sentence, not one for each try"

    run(talk())


def test_channels_named_answer_every_picture(bots: Bots, run: Run) -> None:
    async def talk() -> None:
        open_channel = int(payloads.OPEN_CHANNEL)
        async with bots.bot(bots.config(bot={"channels": [open_channel]})) as bot:
            assert bot.fake.gateway.intents == 4609 | MESSAGE_CONTENT
            elsewhere = message(bot.fake)
            talking = payloads.message(SOMEBODY, payloads.OPEN_CHANNEL, "no picture")
            video = payloads.message(
                SOMEBODY,
                payloads.OPEN_CHANNEL,
                attachments=[picture(bot.fake, name="a.mp4", content_type="video/mp4")],
            )
            for ignored in (elsewhere, talking, video):
                await bot.fake.post(ignored)
            post = payloads.message(SOMEBODY, payloads.OPEN_CHANNEL, "", [picture(bot.fake)])
            assert "identical" in text_of(await bot.fake.answer(await bot.fake.post(post)))
            assert len(bot.fake.sent("POST", "/channels/.*/messages")) == 1

    run(talk())


def test_it_never_answers_itself_a_bot_or_a_webhook(bots: Bots, run: Run) -> None:
    async def talk() -> None:
        async with bots.bot() as bot:
            own = message(bot.fake, MENTION) | {"author": payloads.user(payloads.BOT)}
            another = message(bot.fake, MENTION) | {"author": payloads.user("5", bot=True)}
            hook = message(bot.fake, MENTION, webhook_id="6")
            for post in (own, another, hook):
                await bot.fake.post(post)
            await bot.fake.answer(await bot.fake.post(message(bot.fake, MENTION)))
            assert len(bot.fake.sent("POST", "/channels/.*/messages")) == 1

    run(talk())


@pytest.mark.parametrize("private", [None, True, False])
def test_slash(bots: Bots, run: Run, *, private: bool | None) -> None:
    async def talk() -> None:
        async with bots.bot() as bot:
            more: dict[str, Any] = {"number": 2, "folder": "dataset/even"}
            if private is not None:
                more["private"] = private
            answer = await bot.fake.answer(
                await bot.fake.slash(SOMEBODY, picture(bot.fake, 4), more)
            )
            assert answer["private"] is bool(private)
            assert text_of(answer).count("dataset/even") == len(answer["files"]) == 2
            (first,) = bot.fake.sent("POST", "/interactions/.*")
            assert first.body["type"] == 5

    run(talk())


def test_the_message_menu_answers_privately(bots: Bots, run: Run) -> None:
    async def talk() -> None:
        async with bots.bot() as bot:
            answer = await bot.fake.answer(await bot.fake.menu(SOMEBODY, message(bot.fake)))
            assert answer["private"]
            assert "identical" in text_of(answer)
            empty = payloads.message(SOMEBODY, text="no picture")
            answer = await bot.fake.answer(await bot.fake.menu(SOMEBODY, empty))
            assert "no picture" in text_of(answer)

    run(talk())


def test_only_the_owner_uses_it_where_it_is_installed_for_a_person(bots: Bots, run: Run) -> None:
    async def talk() -> None:
        elsewhere = "200000000000000777"
        async with bots.bot() as bot:
            of = {
                "guild_id": elsewhere,
                "authorizing_integration_owners": {"1": payloads.OWNER},
            }
            answer = await bot.fake.answer(
                await bot.fake.slash(payloads.OWNER, picture(bot.fake), **of)
            )
            assert "identical" in text_of(answer)
            assert answer["private"], "a library is not for every server of the world"
            button = next(one for one in walk(answer["components"]) if one["type"] == 2)
            token = await bot.fake.click(SOMEBODY, answer, button["custom_id"], **of)
            refused = await bot.fake.answer(token)
            assert "Only members" in refused["content"]
            assert refused["private"]

    run(talk())


def test_servers_not_named_get_a_private_sentence(bots: Bots, run: Run) -> None:
    async def talk() -> None:
        async with bots.bot(bots.config(bot={"guilds": [42]})) as bot:
            answer = await bot.fake.answer(await bot.fake.slash(SOMEBODY, picture(bot.fake)))
            assert "Only members" in answer["content"]
            assert answer["private"]
            await bot.fake.post(message(bot.fake, MENTION))
            (sent,) = await bot.fake.until(
                lambda: bot.fake.sent("POST", f"/channels/{payloads.DIRECT}/messages")
            )
            assert "Only members" in sent.body["content"]
            assert not bot.fake.sent("POST", f"/channels/{payloads.CHANNEL}/messages")

    run(talk())


def test_several_pictures_are_answered_in_one_message(bots: Bots, run: Run) -> None:
    async def talk() -> None:
        async with bots.bot() as bot:
            files = [
                picture(bot.fake, 1, "one.jpg"),
                bot.fake.upload("broken.jpg", jpeg(2)[:200]),
                picture(bot.fake, 5, "three.jpg"),
            ]
            post = payloads.message(SOMEBODY, text=MENTION, attachments=files)
            answer = await bot.fake.answer(await bot.fake.post(post))
            text = text_of(answer)
            assert "Picture 1, one.jpg: closest 0.0000, identical" in text
            assert "Picture 2, broken.jpg: is" in text
            assert "Picture 3, three.jpg: closest 0.0000, identical" in text
            assert "**Closest to** one.jpg" in text
            assert len(bot.fake.sent("POST", "/channels/.*/messages")) == 1
            choice = next(one for one in walk(answer["components"]) if one["type"] == 3)
            assert [o["label"] for o in choice["options"]] == [
                "Picture 1: one.jpg",
                "Picture 3: three.jpg",
            ]
            token = await bot.fake.click(
                SOMEBODY, answer, choice["custom_id"], [choice["options"][1]["value"]]
            )
            other = await bot.fake.answer(token)
            assert "**Closest to** three.jpg" in text_of(other)
            assert "**1.** 5\\_x.jpg" in text_of(other)
            assert other["private"]

    run(talk())
