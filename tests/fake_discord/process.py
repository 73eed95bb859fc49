"""The bot as a process of its own, connected to a fake."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.fake_discord.server import FakeDiscord
from tests.project import TOP, Project

Process = asyncio.subprocess.Process


@asynccontextmanager
async def bot_process(
    project: Project, fake: FakeDiscord, *, as_module: bool = False
) -> AsyncIterator[Process]:
    """`lookalike bot`, or `python -m bot`; killed in the end if it still runs."""
    command = project.command("bot")
    if as_module:
        command = [
            *command[: command.index("cli")],
            "bot",
            *command[command.index("--config") : -1],
        ]
    running = await asyncio.create_subprocess_exec(
        *command, cwd=TOP, env=project.environ | fake.environ, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.communicate()


async def end(running: Process) -> tuple[int, str]:
    """Its exit code, and all it said."""
    _, said = await asyncio.wait_for(running.communicate(), 40)
    assert running.returncode is not None
    return running.returncode, said.decode()


def resident_mib(running: Process) -> float:
    """Of the process itself, without its decoders."""
    status = Path(f"/proc/{running.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
