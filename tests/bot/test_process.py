"""The bot as a process, as people run it: exit codes, signals, what it says."""

import asyncio
import signal
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from core.bootstrap import open_database
from core.config import load_config
from tests.bot.test_ways_in import MENTION, Run, message, text_of
from tests.fake_discord import payloads
from tests.fake_discord.judge import Judge
from tests.fake_discord.process import bot_process, end
from tests.fake_discord.server import FakeDiscord
from tests.health import free_port
from tests.pictures import write
from tests.project import Project


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=str)
def test_a_signal_lets_it_finish_what_it_began(
    library: Project, judge: Judge, run: Run, number: signal.Signals
) -> None:
    async def talk() -> None:
        async with FakeDiscord(judge) as fake:
            as_module = number is signal.SIGINT
            async with bot_process(library, fake, as_module=as_module) as running:
                await fake.gateway.until_said("IDENTIFY")
                await fake.answer(await fake.post(message(fake, MENTION)))
                fake.fail("POST", "/channels/.*/messages", 429)
                fake.retry_after_seconds = 1
                begun = await fake.post(message(fake, MENTION))
                await fake.until(lambda: any(r.status == 429 for r in fake.requests))
                running.send_signal(number)
                code, said = await end(running)
                assert code == 0, said
                assert "identical" in text_of(await fake.answer(begun, seconds=0))
                assert fake.gateway.close_codes == [1000]
                assert fake.violations == []
                link = f"client_id={payloads.APPLICATION}&scope=bot+applications.commands"
                assert link in said
                assert "permissions=274878024704" in said
                assert "Traceback" not in said
                assert fake.gateway.token not in said

    run(talk())


def test_a_stop_while_discord_is_away_is_quick(library: Project, run: Run) -> None:
    async def talk() -> None:
        async with FakeDiscord(port=free_port()) as fake:
            pass
        async with bot_process(library, fake) as running:
            assert running.stderr is not None
            async for line in running.stderr:
                if b"cannot be reached" in line:
                    break
            started = time.monotonic()
            running.terminate()
            code, _ = await end(running)
            assert code == 0
            assert time.monotonic() - started < 5

    run(talk())


@pytest.mark.timeout(180)
def test_it_prepares_for_the_index_that_is_being_built(run: Run, tmp_path: Path) -> None:
    """Seen by the one that it cannot have: else the first search after the change would wait."""
    project = Project(tmp_path / "p")
    write(project.dataset / "0.jpg", 0)
    project.cli("sync")
    config = load_config(project.folder / "config.yaml")
    with closing(open_database(config, writable=True)) as database:
        catalogue = database.catalogue()
        assert catalogue is not None
        database.write_catalogue(replace(catalogue, building="colour-layout/9/stretch-64"))

    async def talk() -> None:
        async with FakeDiscord() as fake, bot_process(project, fake) as running:
            assert running.stderr is not None
            async with asyncio.timeout(150):
                async for line in running.stderr:
                    if b"The index was made by colour-layout/9" in line:
                        break

    run(talk())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trouble", "sentence"),
    [("token", "does not accept DISCORD_TOKEN"), ("intent", "Switch on Message Content Intent")],
)
def test_what_never_will_work_ends_it(
    judge: Judge, run: Run, tmp_path: Path, trouble: str, sentence: str
) -> None:
    project = Project(tmp_path / "p")
    project.configure(bot={"channels": [1]})

    async def talk() -> None:
        async with FakeDiscord(judge) as fake:
            fake.gateway.allows_content = False
            fake.accepted_token = "another" if trouble == "token" else fake.gateway.token
            async with bot_process(project, fake) as running:
                code, said = await end(running)
            assert code == 78
            assert sentence in said
            assert "Traceback" not in said
            assert "the-token" not in said

    run(talk())


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({}, "DISCORD_TOKEN is not set"),
        ({"DISCORD_TOKEN_FILE": "/nonexistent"}, "DISCORD_TOKEN_FILE"),
        (
            {"DISCORD_TOKEN": "x", "DISCORD_API_BASE": "https://evil.example/api/v10"},
            "DISCORD_API_BASE must be an address of this machine",
        ),
    ],
    ids=["no token", "no file", "elsewhere"],
)
def test_a_wrong_environment_is_said(
    library: Project, environ: dict[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = {k: v for k, v in library.environ.items() if not k.startswith("DISCORD_")}
    monkeypatch.setattr(library, "environ", kept | environ)
    result = library.process("bot")
    assert (result.returncode, sentence in result.stderr) == (78, True), result.stderr
    assert len(result.stderr.splitlines()) == 1
