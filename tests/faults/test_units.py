"""The units under a real systemd: what their restrictions let through, and how they come and go."""

import asyncio
import json
import os
import re
import shutil
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import yaml

from core.embedders.weights import in_folder
from tests.bot.test_ways_in import MENTION, message, text_of
from tests.fake_discord.judge import Judge
from tests.fake_discord.server import FakeDiscord
from tests.faults.conftest import Figure
from tests.faults.systemd import Systemd
from tests.pictures import jpeg
from tests.project import TOP
from tests.wheel import build_wheel

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

_T = TypeVar("_T")

PARTS = ("model", "daemon", "web", "bot")
WATCHED = ("daemon", "web", "bot")
CONFIG = "/etc/lookalike/config.yaml"
PICTURES = "/home/anna/pictures"
STORE = "/var/lib/lookalike/index"
STATE = "/var/lib/lookalike/state"
INSIDE_WEIGHTS = Path("/srv/weights")
SMALL = "deit_tiny_patch16_224"
SLOW_SECONDS = 300
"""A busy machine takes long to load torch."""
TOKEN = (
    "LoadCredential=discord-token:/etc/lookalike/discord-token",
    "Environment=DISCORD_TOKEN_FILE=%d/discord-token",
)
QUICK = ("WatchdogSec=10", "RestartSec=0.2", "TimeoutAbortSec=1", "StartLimitBurst=50")


class Discord:
    """The fake one, on a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self.fake = FakeDiscord(Judge())
        self.wait(self.fake.__aenter__())

    def wait(self, act: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(act, self.loop).result(SLOW_SECONDS)

    def ask(self) -> str:
        """The answer to a posted picture."""

        async def talk() -> dict[str, Any]:
            posted = await self.fake.post(message(self.fake, MENTION))
            return await self.fake.answer(posted, seconds=SLOW_SECONDS)

        return text_of(self.wait(talk()))

    def close(self) -> None:
        self.wait(self.fake.__aexit__())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class Machine:
    """A machine that Lookalike is installed on, with pictures in a home."""

    def __init__(self, systemd: Systemd, discord: Discord, weights: Path | None) -> None:
        self.systemd = systemd
        self.discord = discord
        shutil.copytree(TOP / "dataset", systemd.path("/home") / "anna/pictures")
        environ = {k: v for k, v in discord.fake.environ.items() if k != "DISCORD_TOKEN"}
        self.model = SMALL if weights else "colour-layout"
        if weights:
            environ["LOOKALIKE_WEIGHTS"] = str(INSIDE_WEIGHTS)
        lines = "".join(f"{name}={value}\n" for name, value in environ.items())
        systemd.write("/etc/lookalike/environment", lines)
        systemd.write("/etc/lookalike/discord-token", discord.fake.gateway.token, 0o600)
        systemd.drop_in("bot", "token", *TOKEN)
        self.configure()

    def configure(self, **settings: object) -> None:
        document = {
            "roots": {"anna": PICTURES},
            "model": {"name": self.model},
            "web": {"port": 0, "searches_per_minute": 0},
            "store": f"lancedb:{STORE}",
            "state": STATE,
        }
        self.systemd.write(CONFIG, yaml.safe_dump(document | settings))

    def install_service(self, *more: str, answer: str = "y\n", check: bool = True) -> str:
        """What a person would type, and answer; what it said."""
        done = self.systemd.lookalike("install-service", *more, answer=answer, check=check)
        return done.stderr

    def show(self, part: str, what: str) -> str:
        return self.systemd.show(f"lookalike-{part}", what)

    def is_active(self, part: str) -> bool:
        return self.show(part, "ActiveState") == "active"

    def wait_active(self, *parts: str) -> None:
        self.systemd.wait(lambda: all(map(self.is_active, parts)), SLOW_SECONDS)

    def indexed(self) -> int:
        found = re.match(r"watching: (\d+) pictures indexed", self.show("daemon", "StatusText"))
        return int(found[1]) if found else -1

    def wait_indexed(self) -> None:
        there = len(list((self.systemd.path("/home") / "anna/pictures").rglob("*.jpg")))
        self.systemd.wait(lambda: self.indexed() == there, SLOW_SECONDS)

    @contextmanager
    def page(self) -> Iterator[httpx.Client]:
        found = re.search(r"serving (http://\S+)", self.show("web", "StatusText"))
        assert found, self.systemd.journal()
        with httpx.Client(base_url=found[1], timeout=SLOW_SECONDS) as client:
            yield client

    def pids(self, *parts: str) -> dict[str, str]:
        return {part: self.show(part, "MainPID") for part in parts}

    def wait_back(self, before: dict[str, str]) -> None:
        """Each part runs again, as another process."""
        for part, pid in before.items():
            self.systemd.wait(lambda p=part, o=pid: self.show(p, "MainPID") not in ("0", o), 120)
        self.wait_active(*before)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def discord() -> Iterator[Discord]:
    made = Discord()
    yield made
    made.close()


@contextmanager
def a_machine(folder: Path, wheel: Path, discord: Discord) -> Iterator[Machine]:
    given = Path(os.environ.get("LOOKALIKE_WEIGHTS") or TOP.parent / "shared/weights")
    weights = given.resolve() if given.is_dir() and in_folder(given, SMALL) else None
    with Systemd(folder, {INSIDE_WEIGHTS: weights} if weights else {}) as systemd:
        systemd.install(wheel)
        yield Machine(systemd, discord, weights)


@pytest.fixture
def machine(tmp_path: Path, wheel: Path, discord: Discord) -> Iterator[Machine]:
    """Nothing is installed as a service yet."""
    with a_machine(tmp_path, wheel, discord) as made:
        yield made


@pytest.fixture(scope="module")
def live(
    tmp_path_factory: pytest.TempPathFactory, wheel: Path, discord: Discord
) -> Iterator[Machine]:
    """All four parts, installed and started by the command that docs/operations.md names."""
    with a_machine(tmp_path_factory.mktemp("live"), wheel, discord) as made:
        said = made.install_service("--bot")
        assert "run    systemctl restart lookalike.target" in said
        made.wait_active(*PARTS)
        made.wait_indexed()
        yield made


def test_every_part_is_ready_and_says_how_it_is(live: Machine) -> None:
    for part in PARTS:
        assert live.is_active(part), live.systemd.journal()
        assert live.show(part, "NRestarts") == "0"
    assert live.indexed() == len(list((TOP / "dataset").rglob("*.jpg")))
    assert live.show("web", "StatusText").startswith("serving http://127.0.0.1:")
    live.systemd.wait(lambda: live.show("bot", "StatusText") == "answering")


def test_the_page_answers(live: Machine) -> None:
    with live.page() as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/").status_code == 200
        found = client.post("/api/search", files={"image": jpeg(3)}).json()
    assert found["model"].startswith(live.model)
    assert len(found["matches"]) == 10


def test_the_bot_answers(live: Machine) -> None:
    text = live.discord.ask()
    assert "**Closest to** query.jpg" in text
    assert live.model.partition("_")[0] in text
    assert live.discord.fake.violations == []


def test_a_new_picture_is_indexed_and_found(live: Machine) -> None:
    file = live.systemd.path(PICTURES) / "new.jpg"
    file.write_bytes(jpeg(77))
    live.wait_indexed()
    with live.page() as client:
        found = client.post("/api/search", files={"image": jpeg(77)}).json()
    assert found["matches"][0]["path"] == "new.jpg"


def test_the_command_line_sees_the_same(live: Machine) -> None:
    """As docs/operations.md says: as the user of the service."""
    verified = live.systemd.lookalike("--config", CONFIG, "verify", user="lookalike", check=False)
    assert verified.returncode == 0, verified
    status = live.systemd.lookalike("--config", CONFIG, "status", "--json", user="lookalike")
    assert json.loads(status.stdout)["state"] == "watching"


def test_what_is_killed_comes_back(live: Machine) -> None:
    before = live.pids(*PARTS)
    live.systemd.run("kill", "-KILL", *before.values())
    live.wait_back(before)
    assert {live.show(part, "NRestarts") for part in PARTS} == {"1"}
    live.wait_indexed()
    with live.page() as client:
        assert client.post("/api/search", files={"image": jpeg(3)}).json()["matches"]


def test_what_hangs_is_ended_and_started_again(live: Machine, figure: Figure) -> None:
    for part in WATCHED:
        live.systemd.drop_in(part, "zz-quick", *QUICK)
    live.systemd.systemctl("restart", "lookalike.target")
    live.wait_active(*PARTS)
    live.wait_indexed()
    before = live.pids(*WATCHED)
    live.systemd.run("kill", "-STOP", *before.values())
    frozen = time.monotonic()
    live.wait_back(before)
    figure("units", "SIGSTOP, WatchdogSec=10", back_seconds=f"{time.monotonic() - frozen:.0f}")
    for part in WATCHED:
        said = live.systemd.journal("--unit", f"lookalike-{part}")
        assert "Watchdog timeout (limit 10s)!" in said, said


def test_the_target_stops_and_starts_all(live: Machine, figure: Figure) -> None:
    started = time.monotonic()
    live.systemd.systemctl("stop", "lookalike.target")
    live.systemd.wait(lambda: all(live.show(part, "ActiveState") == "inactive" for part in PARTS))
    figure("units", "stop of all parts", seconds=f"{time.monotonic() - started:.1f}")
    results = {part: live.show(part, "Result") for part in PARTS}
    assert results == dict.fromkeys(PARTS, "success"), "a SIGKILL makes it 'timeout'"
    live.systemd.systemctl("start", "lookalike.target")
    live.wait_active(*PARTS)
    live.wait_indexed()
