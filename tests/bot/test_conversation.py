"""What can be done with an answer, what is said when there is none, what is remembered."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from core.config import Config
from core.state import Progress, RootStatus, Status, write_status
from tests.bot.conftest import Bots
from tests.bot.test_ways_in import MENTION, SOMEBODY, Run, message, picture, text_of
from tests.fake_discord import payloads
from tests.fake_discord.judge import walk
from tests.fake_discord.server import FakeDiscord
from tests.pictures import jpeg, write
from tests.project import Project


def button(answer: dict[str, Any], label: str) -> str:
    """Its custom id."""
    (found,) = [one for one in walk(answer["components"]) if one.get("label") == label]
    return str(found["custom_id"])


def ranks(answer: dict[str, Any]) -> list[str]:
    """`1. 7` where the first match is 7_x.jpg, and so on."""
    found = re.findall(r"\*\*(\d+\.)\*\* (\d+)\\_x", text_of(answer))
    return [" ".join(one) for one in found]


def test_more_and_search_with_this_one_survive_a_restart(bots: Bots, run: Run) -> None:
    async def talk() -> None:
        fake = FakeDiscord(bots.judge)
        async with fake:
            async with bots.bot(fake=fake):
                post = message(fake, MENTION)
                post["attachments"] = [picture(fake, 77)]  # one that is not indexed
                first = await fake.answer(await fake.post(post))
            fake.gateway.said.clear()
            async with bots.bot(fake=fake):
                pages = [first]
                for _ in range(2):
                    token = await fake.click(SOMEBODY, pages[-1], button(pages[-1], "More"))
                    pages.append(await fake.answer(token))
                    assert pages[-1]["private"]
                found = [line for page in pages for line in ranks(page)]
                assert [line.split(".")[0] for line in found] == [str(n) for n in range(1, 13)]
                assert len({line.split(" ")[1] for line in found}) == 12, "each once"
                assert "Matches 6 to 10 for" in text_of(pages[1])
                assert not [one for one in walk(pages[-1]["components"]) if "More" in str(one)]

                second = found[1].split(" ")[1]
                token = await fake.click(SOMEBODY, first, button(first, "2"))
                alike = await fake.answer(token)
                assert f"to** {second}\\_x.jpg" in text_of(alike)
                assert second not in [line.split(" ")[1] for line in ranks(alike)]
                token = await fake.click(SOMEBODY, alike, button(alike, "More"))
                assert ranks(await fake.answer(token))[0].startswith("6.")

    run(talk())


def test_ten_matches_come_with_a_list_to_search_on_with(bots: Bots, run: Run) -> None:
    async def talk() -> None:
        async with bots.bot() as bot:
            fake = bot.fake
            answer = await fake.answer(await fake.slash(SOMEBODY, picture(fake), {"number": 10}))
            (choice,) = [one for one in walk(answer["components"]) if one["type"] == 3]
            assert len(choice["options"]) == len(answer["files"]) == 10
            value = choice["options"][3]["value"]
            token = await fake.click(SOMEBODY, answer, choice["custom_id"], [value])
            assert len(ranks(await fake.answer(token))) == 10

    run(talk())


@pytest.mark.parametrize(
    "rubbish", ["more:zz:0:0:5", "more:0123456789abcdef:0:0:5", "like:no-uuid:0:5", "choose:like"]
)
def test_a_click_on_something_lost_or_foreign(bots: Bots, run: Run, rubbish: str) -> None:
    async def talk() -> None:
        async with bots.bot() as bot:
            fake = bot.fake
            answer = await fake.answer(await fake.post(message(fake, MENTION)))
            token = await fake.click(SOMEBODY, answer, rubbish, [])
            last = await fake.answer(await fake.post(message(fake, MENTION)))
            assert "identical" in text_of(last)
            if "0123" in rubbish:
                assert "too old" in (await fake.answer(token))["content"]
            else:
                assert token not in fake.messages

    run(talk())


def nothing(name: str, data: bytes, **more: Any) -> Any:
    return lambda fake: fake.upload(name, data, **more)


@pytest.mark.parametrize(
    ("attachment", "sentence"),
    [
        (nothing("a.pdf", b"%PDF", content_type="application/pdf"), "is not a picture"),
        (nothing("a.mp4", b"film", content_type="video/mp4"), "is not a picture"),
        (nothing("a.jpg", b"", size=300_000_000), "has 300 MB, more than the 200 MB"),
        (nothing("a.jpg", jpeg(1)[:200]), "is "),
        (nothing("a.jpg", b"rubbish"), "is no picture"),
        (nothing("a.jpg", jpeg(1), url="http://127.0.0.1:1/a.jpg"), "could not be downloaded"),
        (nothing("a.jpg", jpeg(1), url="http://192.0.2.1/a.jpg"), "does not lie on Discord's"),
    ],
    ids=["pdf", "video", "too large", "broken", "rubbish", "unreachable", "elsewhere"],
)
def test_what_is_no_picture(bots: Bots, run: Run, attachment: Any, sentence: str) -> None:
    async def talk() -> None:
        async with bots.bot() as bot:
            file = attachment(bot.fake)
            for answer in (
                await bot.fake.answer(await bot.fake.slash(SOMEBODY, file)),
                await bot.fake.answer(
                    await bot.fake.post(
                        payloads.message(SOMEBODY, text=MENTION, attachments=[file])
                    )
                ),
            ):
                assert f"**{file['filename']}** {sentence}" in answer["content"]
            asked = file["size"] < 1e6 and file["url"].startswith(
                f"http://127.0.0.1:{bot.fake.port}"
            )
            assert bool(bot.fake.downloads) is (asked and "image" in file["content_type"])

    run(talk())


def test_a_folder_that_is_none_or_empty(bots: Bots, run: Run) -> None:
    async def talk() -> None:
        async with bots.bot() as bot:
            for folder, sentence in (("dataset/no_such", "below dataset/no\\_such"), ("../x", "'")):
                token = await bot.fake.slash(SOMEBODY, picture(bot.fake), {"folder": folder})
                assert sentence in (await bot.fake.answer(token))["content"]

    run(talk())


def test_nothing_close_is_said_honestly(bots: Bots, run: Run) -> None:
    async def talk() -> None:
        async with bots.bot() as bot:
            flat = bot.fake.upload("far.png", flat_png())
            answer = await bot.fake.answer(await bot.fake.slash(SOMEBODY, flat))
            assert "**Nothing close to** far.png; the least far there is:" in text_of(answer)
            assert "not similar" in text_of(answer)

    run(talk())


def flat_png() -> bytes:
    """One that is like none of the library's patchworks."""
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (0, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def told(config: Config, **status: Any) -> None:
    """What the daemon says."""
    folder = config.state / "daemon"
    folder.mkdir(parents=True, exist_ok=True)
    known: dict[str, Any] = {"model": None, "store": "x", "indexed": 0, **status}
    write_status(folder, Status(roots={"dataset": RootStatus(known["state"])}, **known), pid=1)


def test_an_index_that_is_not_there_yet(bots: Bots, run: Run, tmp_path: Path) -> None:
    async def talk() -> None:
        config = bots.config(store=f"lancedb:{tmp_path}/none")
        async with bots.bot(config) as bot:
            token = await bot.fake.slash(SOMEBODY, picture(bot.fake))
            answer = await bot.fake.answer(token)
            assert answer["content"] == "Nothing is indexed yet."
            progress = Progress(done=450, total=1000, per_second=30, seconds_left=18)
            told(config, state="scanning", progress=progress)
            token = await bot.fake.slash(SOMEBODY, picture(bot.fake))
            answer = await bot.fake.answer(token)
            assert (
                "the index is being built, 45 % of 1,000 files, less than a minute left."
                in answer["content"]
            )

    run(talk())


def test_the_line_of_freshness_and_the_preview(bots: Bots, run: Run) -> None:
    async def talk() -> None:
        config = bots.config(model={"name": "dinov2_vits14"})
        told(config, state="watching", indexed=12345)
        async with bots.bot(config) as bot:
            answer = await bot.fake.answer(await bot.fake.post(message(bot.fake, MENTION)))
            assert "12,345 pictures · up to date" in text_of(answer)
            assert "Preview: compared by colour and layout only, not by dinov2" in text_of(answer)

    run(talk())


def test_a_store_that_is_down_is_said_without_its_address(
    bots: Bots, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def talk() -> None:
        config = bots.config(store="weaviate://127.0.0.1:9/Test?grpc=10")
        async with bots.bot(config) as bot:
            token = await bot.fake.slash(SOMEBODY, picture(bot.fake))
            answer = await bot.fake.answer(token, seconds=40)
            assert "cannot be reached at the moment" in answer["content"]
            assert "127.0.0.1" not in answer["content"]
            assert "127.0.0.1:9" in caplog.text

    run(talk())


def test_names_are_shown_as_they_are_and_ping_nobody(bots: Bots, run: Run, tmp_path: Path) -> None:
    project = Project(tmp_path / "names")
    name = "@everyone <@1> [a](b) `x` ||y|| *z*_\u202e.jpg"
    write(project.dataset / "# @here" / name, 1)
    project.cli("sync")
    other = Bots(tmp_path, project, bots.judge)

    async def talk() -> None:
        async with other.bot() as bot:
            file = picture(bot.fake, 1, name)
            post = payloads.message(SOMEBODY, text=MENTION, attachments=[file])
            answer = await bot.fake.answer(await bot.fake.post(post))
            text = text_of(answer)
            assert "@everyone" not in text
            assert "@here" not in text
            assert "<@1>" not in text
            assert "\u202e" not in json.dumps(answer["components"], ensure_ascii=False)
            assert "\\[a\\]\\(b\\) \\`x\\` \\|\\|y\\|\\| \\*z\\*\\_" in text
            assert str(project.folder) not in text

    run(talk())


def test_a_full_queue_says_so(bots: Bots, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.search._MOST_WAITING", 2)

    async def talk() -> None:
        async with bots.bot() as bot:
            files = [picture(bot.fake, n) for n in range(3)]
            post = payloads.message(SOMEBODY, text=MENTION, attachments=files)
            answer = await bot.fake.answer(await bot.fake.post(post))
            assert "Too many pictures are waiting" in answer["content"]

    run(talk())


def test_cooldowns_hold_back_and_end(bots: Bots, run: Run) -> None:
    now = [1000.0]

    async def talk() -> None:
        async with bots.bot(clock=lambda: now[0]) as bot:
            fake = bot.fake
            many = [picture(fake, n) for n in range(10)]
            for _ in range(2):
                post = payloads.message(SOMEBODY, text=MENTION, attachments=many)
                await fake.answer(await fake.post(post))
            before = time.time()
            refused = await fake.answer(await fake.post(message(fake, MENTION)))
            assert refused["content"].startswith("That was a lot at once. Please try again <t:")
            again = int(refused["content"].split("<t:")[1].split(":")[0])
            assert before + 59 < again < time.time() + 62
            answer = await fake.answer(await fake.slash(SOMEBODY, many[0]))
            assert "a lot at once" in answer["content"]
            assert answer["private"]
            other = payloads.message("400000000000000002", text=MENTION, attachments=many[:1])
            assert "identical" in text_of(await fake.answer(await fake.post(other)))
            now[0] += 61
            assert "identical" in text_of(await fake.answer(await fake.slash(SOMEBODY, many[0])))

    run(talk())


def test_commands_are_sent_only_when_they_changed(bots: Bots, run: Run) -> None:
    async def talk() -> None:
        for expected in (1, 0):
            async with bots.bot() as bot:
                await bot.fake.answer(await bot.fake.post(message(bot.fake, MENTION)))
                file = bots.folder / "state/bot/commands.json"
                await bot.fake.until(file.exists)
                synced = bot.fake.sent("PUT", "/applications/.*/commands")
                assert len(synced) == expected
        file.write_text('{"commands": "older"}')
        async with bots.bot() as bot:
            (synced,) = await bot.fake.until(
                lambda: bot.fake.sent("PUT", "/applications/.*/commands")
            )
            assert {one["name"] for one in synced.body} == {
                "similar",
                "similar-settings",
                "Find similar images",
            }

    run(talk())


def test_a_server_has_settings_of_its_own(bots: Bots, run: Run) -> None:
    async def settings(fake: FakeDiscord, permissions: int, **options: Any) -> dict[str, Any]:
        kinds = {str: 3, int: 4, bool: 5}
        data = {
            "id": "1",
            "name": "similar-settings",
            "type": 1,
            "options": [
                {"name": n, "type": kinds[type(v)], "value": v} for n, v in options.items()
            ],
        }
        asked = payloads.interaction(2, SOMEBODY, data)
        asked["member"]["permissions"] = str(permissions)
        return await fake.answer(await fake.ask(asked))

    async def talk() -> None:
        async with bots.bot() as bot:
            refused = await settings(bot.fake, 0, number=3)
            assert "Manage Server" in refused["content"]
            answer = await settings(
                bot.fake, payloads.MANAGE_SERVER, number=3, folder="dataset/odd/"
            )
            assert answer["content"] == "Answers in this server show 3 matches from dataset/odd."
            assert answer["private"]
        async with bots.bot() as bot:
            answer = await bot.fake.answer(await bot.fake.post(message(bot.fake, MENTION)))
            assert text_of(answer).count("dataset/odd") == len(answer["files"]) == 3
            answer = await settings(bot.fake, payloads.MANAGE_SERVER, reset=True)
            assert "5 matches from all folders" in answer["content"]

    run(talk())
