"""The bot with real weights against a Discord of our own.

    python -m bench.discord latency FOLDER   from post to answer, beside download and forward pass
    python -m bench.discord crowd FOLDER     100 pictures at once by 25 people, three times
    python -m bench.discord answer FOLDER    one conversation: every request, and docs/discord.png

FOLDER holds one folder for each class. Every fifth picture stays out of the index and is posted.
Weights are found as always (LOOKALIKE_WEIGHTS); --model colour-layout needs none.
"""

import argparse
import asyncio
import os
import re
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from bench.discord_page import page, screenshot
from tests.fake_discord import payloads
from tests.fake_discord.crowd import lateness_seconds, wave
from tests.fake_discord.judge import walk
from tests.fake_discord.process import bot_process, resident_mib
from tests.fake_discord.server import FakeDiscord
from tests.project import Project

CREDIT = "Pictures: Caltech-101 (Li, Andreetto, Ranzato, Perona; CC BY 4.0)"
PICTURE = Path("docs/discord.png")
POSTS = 30
_CHANNELS = (payloads.CHANNEL, payloads.OPEN_CHANNEL, payloads.THIRD_CHANNEL)
_FACES = ("Faces", "Faces_easy")


class Scene(NamedTuple):
    """A bot at work, and pictures that it does not know."""

    fake: FakeDiscord
    process: asyncio.subprocess.Process
    queries: list[Path]


def main() -> None:
    """Print figures or a transcript."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["latency", "crowd", "answer"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="dinov2_vits14")
    parser.add_argument("--classes", type=int, default=30, help="how many, default 30")
    arguments = parser.parse_args()
    act = {"latency": _latency, "crowd": _crowd, "answer": _answer}[arguments.what]
    with tempfile.TemporaryDirectory(prefix="lookalike-") as work:
        project = Project(Path(work) / "project")
        queries = _index(project, arguments.folder, arguments.model, arguments.classes)
        if arguments.what == "answer":
            project.start()
        try:
            asyncio.run(_play(project, queries, act))
        finally:
            if project.daemon:
                project.stop()


def _index(project: Project, folder: Path, model: str, classes: int) -> list[Path]:
    """By the ordinary way; the pictures left out."""
    kept = sorted(one for one in folder.iterdir() if one.is_dir() and one.name not in _FACES)
    kept = kept[:: max(1, len(kept) // classes)][:classes]
    queries = [file for one in kept for file in sorted(one.iterdir())[::5]]
    project.configure(
        roots={"pictures": str(folder.absolute())},
        ignore=[
            *(f"/{one.name}/" for one in folder.iterdir() if one.is_dir() and one not in kept),
            *(f"/{file.relative_to(folder)}" for file in queries),
        ],
        model={"name": model, "fallback": None},
    )
    if weights := os.environ.get("LOOKALIKE_WEIGHTS"):
        project.environ["LOOKALIKE_WEIGHTS"] = weights
    result = project.process("sync")
    if result.returncode:
        raise SystemExit(result.stderr)
    return queries


async def _play(
    project: Project, queries: list[Path], act: Callable[[Scene], Awaitable[None]]
) -> None:
    async with FakeDiscord() as fake:
        fake.gateway.heartbeat_seconds = 0.5
        async with bot_process(project, fake) as process:
            await fake.gateway.until_said("IDENTIFY")
            await _ask(fake, queries[-1:])  # the model is loaded when this is answered
            await act(Scene(fake, process, queries[:-1]))
        if fake.violations:
            raise SystemExit("\n".join(fake.violations))


async def _ask(fake: FakeDiscord, files: list[Path], **more: Any) -> dict[str, Any]:
    attachments = [fake.upload(file.name, file.read_bytes()) for file in files]
    text = f"<@{payloads.BOT}>"
    post = payloads.message(payloads.OWNER, text=text, attachments=attachments, **more)
    return await fake.answer(await fake.post(post))


async def _latency(scene: Scene) -> None:
    fake = scene.fake
    downloads, forwards, decodes, totals = [], [], [], []
    async with aiohttp.ClientSession() as session:
        for n, file in enumerate(scene.queries[:POSTS]):
            attachment = fake.upload(file.name, file.read_bytes())
            started = time.perf_counter()
            async with session.get(attachment["url"]) as response:
                await response.read()
            downloads.append(_ms(started))
            # Each by another person, or the bot would ask for a pause.
            post = payloads.message(
                str(600_000_000_000_000_000 + n),
                text=f"<@{payloads.BOT}>",
                attachments=[attachment],
            )
            posted = time.monotonic()
            answer = await fake.answer(await fake.post(post))
            # When it came in: judging it by Discord's document takes the fake 25 ms.
            (*_, sent) = fake.sent("POST", "/channels/.*/messages")
            totals.append(1000 * (sent.at - posted))
            decode, embed = re.findall(r"(?:decode|embed) (\d+) ms", _text(answer))
            decodes.append(float(decode))
            forwards.append(float(embed))
    download, forward, decode, total = map(
        statistics.median, (downloads, forwards, decodes, totals)
    )
    print(f"{len(totals)} posts; medians in ms: download {download:.1f}, decode {decode:.0f},")
    print(f"forward pass {forward:.0f}; post to answer {total:.0f} (p95 {_p95(totals):.0f})")
    print(f"post to answer / (download + forward pass) = {total / (download + forward):.2f}")


async def _crowd(scene: Scene) -> None:
    pictures = [file.read_bytes() for file in scene.queries]
    print("wave  answered with matches  seconds  late heartbeat ms  resident MiB")
    for number, channel in enumerate(_CHANNELS):
        # The bytes after the end of a JPEG are no part of it, but make it one that is not known.
        mark = number.to_bytes(1)
        chosen = [pictures[n % len(pictures)] + mark + bytes([n]) for n in range(100)]
        made = await wave(scene.fake, channel, chosen, 300)
        answered = sum("**1.**" in _text(answer) for answer in made.answers)
        late = max(0.0, 1000 * lateness_seconds(scene.fake))
        resident = resident_mib(scene.process)
        print(f"{number + 1:>4}  {answered:>21}  {made.seconds:>7.1f}", end="")
        print(f"  {late:>17.0f}  {resident:>12.0f}")


async def _answer(scene: Scene) -> None:
    fake = scene.fake
    query = next(file for file in scene.queries if file.parent.name in ("sunflower", "flamingo"))
    answer = await _ask(fake, [query])
    for label in ("More", "2"):
        (button,) = [one for one in walk(answer["components"]) if one.get("label") == label]
        await fake.answer(await fake.click(payloads.OWNER, answer, button["custom_id"]))
    for request in fake.requests:
        size = sum(map(len, request.files.values())) // 1024
        files = f", {len(request.files)} files of {size} KiB" if request.files else ""
        kind = f", type {request.body['type']}" if "callback" in request.path else ""
        print(f"{request.method} {request.path} -> {request.status}{kind}{files}")
    drawn = page(answer, answer["files"], [query.read_bytes()], CREDIT)
    await asyncio.to_thread(screenshot, drawn, PICTURE)
    print(f"{PICTURE}: {PICTURE.stat().st_size // 1024} KiB")


def _text(answer: dict[str, Any]) -> str:
    return "\n".join(one["content"] for one in walk(answer["components"]) if one["type"] == 10)


def _ms(started: float) -> float:
    return 1000 * (time.perf_counter() - started)


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


if __name__ == "__main__":
    main()
