"""A hundred pictures at once."""

import pytest

from tests.bot.test_ways_in import Run, text_of
from tests.fake_discord import payloads
from tests.fake_discord.crowd import lateness_seconds, wave
from tests.fake_discord.judge import Judge
from tests.fake_discord.process import bot_process, end, resident_mib
from tests.fake_discord.server import FakeDiscord
from tests.pictures import jpeg
from tests.project import Project


@pytest.mark.slow
def test_all_are_answered_in_time_and_in_flat_memory(
    library: Project, judge: Judge, run: Run
) -> None:
    async def talk() -> None:
        async with FakeDiscord(judge) as fake:
            fake.gateway.heartbeat_seconds = 0.5
            async with bot_process(library, fake) as running:
                await fake.gateway.until_said("IDENTIFY")
                resident = []
                for channel in (payloads.CHANNEL, payloads.OPEN_CHANNEL):
                    pictures = [jpeg(int(channel[-1]) * 1000 + n, (480, 320)) for n in range(100)]
                    told = [
                        text_of(answer) for answer in (await wave(fake, channel, pictures)).answers
                    ]
                    assert all("**1.**" in text for text in told)
                    resident.append(resident_mib(running))
                running.terminate()
                code, said = await end(running)
            assert code == 0
            assert fake.violations == []
            assert "heartbeat" not in said
            assert lateness_seconds(fake) < fake.gateway.heartbeat_seconds
            assert resident[1] - resident[0] < 0.1 * resident[0], resident

    run(talk())
