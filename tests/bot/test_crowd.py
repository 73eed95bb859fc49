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
    # Before there is a loop: drawing them would hold it up, and so the heartbeats it hears.
    pictures = {
        channel: [jpeg(int(channel[-1]) * 1000 + n, (480, 320)) for n in range(100)]
        for channel in (payloads.CHANNEL, payloads.OPEN_CHANNEL)
    }

    async def talk() -> None:
        async with FakeDiscord(judge) as fake:
            fake.gateway.heartbeat_seconds = 0.5
            async with bot_process(library, fake) as running:
                await fake.gateway.until_said("IDENTIFY")
                resident, seconds = [], []
                for channel in pictures:
                    answered = await wave(fake, channel, pictures[channel])
                    assert all("**1.**" in text_of(answer) for answer in answered.answers)
                    seconds.append(answered.seconds)
                    resident.append(resident_mib(running))
                running.terminate()
                code, said = await end(running)
            assert code == 0
            assert fake.violations == []
            assert "heartbeat" not in said
            # Pictures handled by its loop would hold it up for all of a wave.
            assert lateness_seconds(fake) < max(fake.gateway.heartbeat_seconds, min(seconds) / 4)
            assert resident[1] - resident[0] < 0.1 * resident[0], resident

    run(talk())
