"""The real client, the real index, and a Discord of our own between them."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from bot.client import LookalikeClient
from bot.cooldowns import Cooldowns
from bot.desk import Desk
from bot.endpoints import Endpoints, read_endpoints
from bot.search import Finder
from bot.session import stay_connected
from core.aio import AsyncIndex
from core.config import Config, load_config
from tests.fake_discord.judge import SPECIFICATION, Judge
from tests.fake_discord.server import FakeDiscord
from tests.pictures import write
from tests.project import Project

PICTURES = 12


@pytest.fixture(scope="session")
def judge() -> Judge:
    """One for all: compiling Discord's document takes a second."""
    return Judge()


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Twelve pictures, indexed; nobody may change it."""
    project = Project(tmp_path_factory.mktemp("library") / "project")
    for n in range(PICTURES):
        write(project.dataset / ("odd" if n % 2 else "even") / f"{n}_x.jpg", n)
    project.cli("sync")
    return project


class Session:
    """One bot at work."""

    def __init__(self, fake: FakeDiscord, desk: Desk, stop: asyncio.Event) -> None:
        self.fake = fake
        self.desk = desk
        self._stop = stop
        self.task: asyncio.Task[None] | None = None

    async def stop(self) -> None:
        self._stop.set()
        assert self.task is not None
        await self.task


class Bots:
    """Starts bots; in the end no request may have been one that Discord refuses."""

    def __init__(self, folder: Path, library: Project, judge: Judge) -> None:
        self.folder = folder
        self.library = library
        self.judge = judge

    def config(self, **settings: Any) -> Config:
        project = self.library
        kept = dict(project.settings)
        project.configure(**settings)
        project.command()  # writes the configuration
        project.settings = kept
        config = load_config(project.folder / "config.yaml", {})
        return config.model_copy(update={"state": self.folder / "state"})

    @contextlib.asynccontextmanager
    async def bot(
        self,
        config: Config | None = None,
        fake: FakeDiscord | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: bool = True,
    ) -> AsyncIterator[Session]:
        config = config or self.config()
        async with contextlib.AsyncExitStack() as stack:
            if fake is None:
                fake = await stack.enter_async_context(FakeDiscord(self.judge))
            endpoints = read_endpoints(fake.environ)
            endpoints.use()
            stack.callback(Endpoints().use)
            index = await stack.enter_async_context(AsyncIndex(config))
            finder = Finder(config, index, endpoints)
            stack.push_async_callback(finder.close)
            desk = Desk(config, finder, Cooldowns(clock), pauses_seconds=(0.02, 0.02, 0.02))
            stop = asyncio.Event()
            session = Session(fake, desk, stop)
            session.task = asyncio.create_task(
                stay_connected(desk, lambda: make_client(desk), fake.gateway.token, stop)
            )
            if wait:
                await fake.gateway.until_said("IDENTIFY")
            try:
                yield session
            finally:
                await session.stop()
            assert fake.violations == []


def make_client(desk: Desk) -> LookalikeClient:
    client = LookalikeClient(desk, guild_ready_timeout=0.02)  # else 2 s
    client.before_identify_hook = mock.AsyncMock()  # type: ignore[method-assign] # else 5 s
    return client


@pytest.fixture
def bots(tmp_path: Path, library: Project, judge: Judge) -> Bots:
    return Bots(tmp_path, library, judge)


@pytest.fixture
def run() -> Iterator[Callable[[Coroutine[Any, Any, None]], None]]:
    """Runs a test's coroutine."""
    yield asyncio.run


def pytest_report_header() -> str:
    there = "checked" if SPECIFICATION.exists() else "NOT checked, no file: set DISCORD_OPENAPI"
    return f"requests against Discord's OpenAPI document: {there} ({os.fspath(SPECIFICATION)})"
