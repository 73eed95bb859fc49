"""The loop turns while the page's index is opened: a slow start is not taken for a hang."""

import json
import subprocess
import sys

from tests.project import TOP, Project

SCRIPT = """
import asyncio, json, sys, time
from pathlib import Path
from core.config import load_config
from web.desk import open_desk

async def turn(pauses):
    while True:
        before = time.monotonic()
        await asyncio.sleep(0.005)
        pauses.append(time.monotonic() - before)

async def main():
    pauses = []
    turning = asyncio.create_task(turn(pauses))
    await asyncio.sleep(0)
    started = time.monotonic()
    async with open_desk(load_config(Path(sys.argv[1]))):
        took = time.monotonic() - started
    turning.cancel()
    json.dump({"took": took, "pauses": pauses}, sys.stdout)

asyncio.run(main())
"""


def test_the_loop_turns_while_the_stores_client_is_imported(project: Project) -> None:
    file = project.command()[-1]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, file],
        cwd=TOP, env=project.environ, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    said = json.loads(done.stdout)
    assert said["took"] > 0.1, "nothing was imported: this proves nothing"
    assert len(said["pauses"]) > 5
    assert max(said["pauses"]) < said["took"] / 2
