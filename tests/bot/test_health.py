"""/healthz, /readyz and /metrics of the real bot."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bot.test_ways_in import MENTION, Run, message
from tests.fake_discord.judge import Judge
from tests.fake_discord.process import bot_process
from tests.fake_discord.server import FakeDiscord
from tests.health import ask, free_port, series
from tests.project import Project


async def until(condition: Callable[[], bool]) -> None:
    """The loop of the fake must turn meanwhile."""
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(holds, condition):
            await asyncio.sleep(0.05)


def holds(condition: Callable[[], bool]) -> bool:
    try:
        return condition()
    except OSError:
        return False


@pytest.mark.slow
def test_a_working_bot_tells_what_it_answers(
    library: Project, judge: Judge, run: Run, tmp_path: Path
) -> None:
    address = f"127.0.0.1:{free_port()}"
    bot = Project(tmp_path / "bot")
    bot.configure(
        roots={"dataset": str(library.dataset)},
        store=f"lancedb:{library.folder / 'var/index'}",
        bot={"metrics": address},
    )

    def told() -> dict[str, float]:
        return series(ask(address, "/metrics").text)

    async def talk() -> None:
        async with FakeDiscord(judge) as fake, bot_process(bot, fake):
            await until(lambda: ask(address, "/readyz").status == 200)
            assert (await asyncio.to_thread(told))["lookalike_bot_session_up"] == 1
            await fake.answer(await fake.post(message(fake, MENTION)))
            await until(lambda: told()['lookalike_bot_answers_total{outcome="answered"}'] == 1)
            found = await asyncio.to_thread(told)
            assert found["lookalike_bot_answer_seconds_count"] == 1
            assert found['lookalike_search_part_seconds_count{part="search"}'] == 1
            assert found["lookalike_bot_sessions_total"] == 1
            assert found['lookalike_bot_answers_total{outcome="failed"}'] == 0

            # The index goes: an apology is a failure of ours, and no readiness.
            index, away = library.folder / "var/index", library.folder / "var/away"
            index.rename(away)
            index.write_text("no folder")
            try:
                await until(lambda: ask(address, "/readyz").status == 503)
                refusal = await asyncio.to_thread(ask, address, "/readyz")
                assert str(library.folder) not in refusal.text
                await fake.answer(await fake.post(message(fake, MENTION)))
                await until(lambda: told()['lookalike_bot_answers_total{outcome="failed"}'] == 1)
            finally:
                index.unlink()
                away.rename(index)

            fake.gateway.drop()
            await fake.gateway.until_said("IDENTIFY", "RESUME")
            await until(lambda: ask(address, "/readyz").status == 200)
            assert (await asyncio.to_thread(ask, address, "/healthz")).status == 200

    run(talk())
