"""One model for daemon, page and bot, beside a model in each: memory, and a query under load.

    python -m bench.service FOLDER

Everything is real: `lookalike` processes on an index of FOLDER, a Discord of our own for the bot.
Memory is proportional (PSS) and counts every process with its decoders; the daemon alone is as it
is without the service. Weights are found as always (LOOKALIKE_WEIGHTS).
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from bench.altered import altered
from bench.memory import family, pss_mib
from bench.service_table import show
from tests.fake_discord import payloads
from tests.fake_discord.process import bot_process
from tests.fake_discord.server import FakeDiscord
from tests.project import TOP, Project

QUERIES = 60
SETTLE_SECONDS = 3
UNLOAD_SECONDS = 12
"""Set only where the idle state is measured; by default it is ten minutes."""
REST_SECONDS = 75
"""By then decoders have ended, too."""


def main() -> None:
    """Print the table; with --json, one document."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="dinov2_vits14")
    parser.add_argument("--pictures", type=int, default=300, help="indexed at first")
    parser.add_argument("--load", type=int, default=1000, help="indexed while queries are asked")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    figures = measure(given.folder, given.model, pictures=given.pictures, load=given.load)
    if given.json:
        print(json.dumps(figures))
    else:
        show(figures)


def measure(folder: Path, model: str, *, pictures: int = 300, load: int = 1000) -> dict[str, Any]:
    """Both ways, in one run on this machine."""
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="lookalike-bench-") as work:
        for shared in (False, True):
            bench = Bench(Path(work) / f"shared-{shared}", folder, model, shared=shared)
            figures["shared" if shared else "in_process"] = bench.measure(pictures, load)
    return figures


class Bench:
    """A project whose pictures come in two lots: some at first, the others as the load."""

    def __init__(self, work: Path, folder: Path, model: str, *, shared: bool) -> None:
        self.shared = shared
        self.project = Project(work)
        self.files = sorted(folder.rglob("*.jpg"))
        weights = {k: v for k, v in os.environ.items() if k == "LOOKALIKE_WEIGHTS"}
        self.project.environ |= weights
        self.project.configure(
            model={"name": model, "fallback": None, "unload_minutes": UNLOAD_SECONDS / 60},
            web={"port": 0, "searches_per_minute": 0},
        )

    def measure(self, pictures: int, load: int) -> dict[str, Any]:
        """Memory and latencies of this way."""
        first = self.files[:: max(1, len(self.files) // pictures)][:pictures]
        known = set(first)
        rest = [file for file in self.files if file not in known][:load]
        self.count = len(first) + len(rest)
        queries = [altered(file) for file in rest[:: max(1, len(rest) // QUERIES)]][:QUERIES]
        self._copy(first)
        figures: dict[str, Any] = {}
        with ExitStack() as running:
            if self.shared:
                running.enter_context(self._model())
            daemon = running.enter_context(self._daemon())
            self._wait_indexed(len(first))
            time.sleep(SETTLE_SECONDS)
            figures["daemon_mib"] = _memory(daemon)
            figures |= asyncio.run(self._together(daemon, rest, queries))
        return figures

    def _wait_indexed(self, count: int) -> None:
        def done() -> bool:
            status = self.project.status()
            return bool(status.get("indexed", 0) + status.get("rejected", 0) >= count)

        self.project.wait(done, 600)

    def _copy(self, files: list[Path]) -> None:
        for file in files:
            target = self.project.dataset / file.parent.name / file.name
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(file, target)

    async def _together(
        self, daemon: int, rest: list[Path], queries: list[bytes]
    ) -> dict[str, Any]:
        with self._web() as (web, address):
            async with FakeDiscord() as fake, bot_process(self.project, fake) as bot:
                await fake.gateway.until_said("IDENTIFY", seconds=120)
                attachment = fake.upload("query.jpg", queries[0])
                text = f"<@{payloads.BOT}>"
                post = payloads.message(payloads.OWNER, text=text, attachments=[attachment])
                await fake.answer(await fake.post(post), 120)
                idle = await asyncio.to_thread(self._ask, address, queries)
                parts = {"daemon": daemon, "web": web, "bot": bot.pid}
                if self.shared:
                    parts["model"] = self.model.pid
                together = {name: _memory(pid) for name, pid in parts.items()}
                await asyncio.to_thread(self._copy, rest)
                while not self.project.status().get("progress"):
                    await asyncio.sleep(0.05)
                before = self.project.embedded()
                started = time.monotonic()
                loaded = await asyncio.to_thread(self._ask, address, queries)
                embedded = self.project.embedded() - before
                seconds = time.monotonic() - started
                still = bool(self.project.status().get("progress"))
                measured = {
                    "together_mib": together,
                    "idle_ms": idle,
                    "loaded_ms": loaded,
                    "indexed_per_second_under_queries": embedded / seconds,
                    "load_outlasted_the_queries": still,
                }
                sys.stderr.write(json.dumps(measured) + "\n")  # what comes next takes minutes
                await asyncio.to_thread(self._wait_indexed, self.count)
                if self.shared:  # a model in each process stays there
                    await asyncio.sleep(REST_SECONDS)
                resting = {name: _memory(pid) for name, pid in parts.items()}
        return measured | {"resting_mib": resting}

    def _ask(self, address: str, queries: list[bytes]) -> dict[str, dict[str, float]]:
        whole, embed = [], []
        with httpx.Client(timeout=60) as client:
            for query in [*queries[:3], *queries]:
                started = time.perf_counter()
                answer = client.post(address + "/api/search", files={"image": query})
                whole.append(1000 * (time.perf_counter() - started))
                if answer.is_error:
                    raise SystemExit(f"A search failed: {answer.text}")
                embed.append(answer.json()["timings_ms"]["embed"])
        return {"search": _quantiles(whole[3:]), "embed": _quantiles(embed[3:])}

    @contextmanager
    def _model(self) -> Iterator[None]:
        with self._process("core.serving") as self.model:
            socket = self.project.folder / "var/state/model/model.sock"
            self.project.wait(socket.exists)
            yield

    @contextmanager
    def _daemon(self) -> Iterator[int]:
        self.project.launch()
        assert self.project.daemon is not None
        try:
            yield self.project.daemon.pid
        finally:
            self.project.stop()

    @contextmanager
    def _web(self) -> Iterator[tuple[int, str]]:
        with self._process("web") as web:
            assert web.stderr is not None
            for line in web.stderr:
                if "The page is at " in line:
                    yield web.pid, line.split("The page is at ")[1].strip().rstrip("/")
                    return

    @contextmanager
    def _process(self, module: str) -> "Iterator[subprocess.Popen[str]]":
        self.project.command()
        config = str(self.project.folder / "config.yaml")
        command = [sys.executable, "-m", module, "--config", config]
        with subprocess.Popen(
            command, cwd=TOP, env=self.project.environ, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                yield process
            finally:
                process.send_signal(signal.SIGTERM)


def _memory(pid: int) -> dict[str, float]:
    """Of a process, and of everything that it has started."""
    return {f"{name} {one}": pss_mib(one) for one, name in family(pid).items()}


def _quantiles(values: list[float]) -> dict[str, float]:
    return {"p50": statistics.median(values), "p95": statistics.quantiles(values, n=20)[-1]}


if __name__ == "__main__":
    main()
