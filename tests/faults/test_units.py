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
from tests.faults.systemd import PYTHON, Systemd
from tests.pictures import jpeg
from tests.project import TOP
from tests.wheel import build_wheel

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

_T = TypeVar("_T")

PARTS = ("model", "daemon", "web", "bot")
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
QUICK = ("WatchdogSec=10", "RestartSec=0.2", "TimeoutAbortSec=1")
DENIED, READ_ONLY = "Operation not permitted", "Read-only file system"

PROBE = """
import ctypes, json, os, socket

def outcome(act):
    try:
        act()
    except OSError as error:
        return os.strerror(error.errno)
    return "done"

def write(folder):
    name = os.path.join(folder, "probe")
    os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
    os.unlink(name)

def reach(host):  # a datagram: what drops it says so
    with socket.socket(type=socket.SOCK_DGRAM) as outside:
        outside.sendto(b"?", (host, 9))

libc = ctypes.CDLL(None, use_errno=True)

def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "")

status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
print("PROBE", json.dumps({
    "write": {folder: outcome(lambda: write(folder)) for folder in PLACES},
    "read": sorted(os.listdir(PICTURES))[:1],
    "processes": sorted(int(pid) for pid in os.listdir("/proc") if pid.isdigit())[0],
    "devices": sorted(os.listdir("/dev")),
    "secret": outcome(lambda: open("/etc/lookalike/discord-token")),
    "outside": outcome(lambda: reach("192.0.2.1")),
    "loopback": outcome(lambda: reach("127.0.0.1")),
    "packets": outcome(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)),
    "namespace": outcome(lambda: call("unshare", 0x10000000)),
    "mount": outcome(lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None)),
    "personality": outcome(lambda: call("personality", 0x0040000)),
    "host name": outcome(lambda: socket.sethostname("probe")),
    "real time": outcome(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))),
    "disk": outcome(lambda: os.close(os.open(DISK, os.O_RDONLY))),
    "rights": int(status["CapBnd"], 16) | int(status["CapEff"], 16) | int(status["CapAmb"], 16),
    "kernel": [int(status["NoNewPrivs"]), int(status["Seccomp"])],
}), flush=True)
"""

MANAGER_OF_ANNA = """
[Service]
Type=notify
User=anna
Environment=XDG_RUNTIME_DIR=/run/user/4242
ExecStart=/lib/systemd/systemd --user
Delegate=yes
KillMode=mixed
"""
"""What user@.service is, where no login manager starts it."""


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

    def stop(self) -> None:
        """All parts, to the end: a unit that is started before is not stopped any more."""
        self.systemd.systemctl("stop", "lookalike.target")
        self.systemd.wait(
            lambda: all(self.show(p, "ActiveState") in ("inactive", "failed") for p in PARTS)
        )

    def seconds_to_stop(self, part: str) -> float:
        ends = ("ActiveExitTimestampMonotonic", "InactiveEnterTimestampMonotonic")
        began, ended = (int(self.show(part, end)) for end in ends)
        return (ended - began) / 1e6

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
        assert "run    systemctl --no-block restart lookalike.target" in said
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
    for part in PARTS:
        live.systemd.drop_in(part, "zz-quick", *QUICK)
    live.systemd.systemctl("restart", "lookalike.target")
    live.wait_active(*PARTS)
    live.wait_indexed()
    before = live.pids(*PARTS)
    live.systemd.run("kill", "-STOP", *before.values())
    frozen = time.monotonic()
    live.wait_back(before)
    figure("units", "SIGSTOP, WatchdogSec=10", back_seconds=f"{time.monotonic() - frozen:.0f}")
    for part in PARTS:
        said = live.systemd.journal("--unit", f"lookalike-{part}")
        assert "Watchdog timeout (limit 10s)!" in said, said


def test_the_target_stops_and_starts_all(live: Machine, figure: Figure) -> None:
    started = time.monotonic()
    live.stop()
    took = {part: f"{live.seconds_to_stop(part):.1f}" for part in PARTS}
    figure("units", "stop of all parts", seconds=f"{time.monotonic() - started:.1f}", **took)
    results = {part: live.show(part, "Result") for part in PARTS}
    assert results == dict.fromkeys(PARTS, "success"), "a SIGKILL makes it 'timeout'"
    live.systemd.systemctl("start", "lookalike.target")
    live.wait_active(*PARTS)
    live.wait_indexed()


def test_the_page_does_not_wait_for_a_daemon_that_waits(live: Machine) -> None:
    """For a server that is away, say, or for weights: for hours, perhaps."""
    live.configure(store="weaviate://127.0.0.1:9?grpc=10")
    live.stop()
    live.systemd.systemctl("--no-block", "start", "lookalike.target")
    live.wait_active("web", "bot")
    with live.page() as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 503
    assert live.show("daemon", "ActiveState") == "activating"
    live.systemd.wait(lambda: "127.0.0.1:9 does not answer" in live.show("daemon", "StatusText"))


def test_a_wrong_configuration_is_not_tried_again(live: Machine) -> None:
    live.configure(no_such_setting=1)
    for part in PARTS:
        live.systemd.drop_in(part, "zz-quick", "RestartSec=0.2")
    live.stop()
    live.systemd.systemctl("--no-block", "start", "lookalike.target")
    for part in PARTS:
        live.systemd.wait(lambda p=part: live.show(p, "ActiveState") == "failed", SLOW_SECONDS)
    time.sleep(1)  # several times RestartSec
    for part in PARTS:
        assert live.show(part, "ActiveState") == "failed"
        assert live.show(part, "ExecMainStatus") == "78"
        assert live.show(part, "NRestarts") == "0"
        assert "no_such_setting" in live.systemd.journal("--unit", f"lookalike-{part}")


@pytest.fixture(scope="module")
def installed(
    tmp_path_factory: pytest.TempPathFactory, wheel: Path, discord: Discord
) -> Iterator[Machine]:
    """The units, none of which is started."""
    with a_machine(tmp_path_factory.mktemp("installed"), wheel, discord) as made:
        made.install_service("--bot", "--no-start")
        yield made


@pytest.mark.parametrize("part", PARTS)
def test_what_a_unit_forbids_is_refused(installed: Machine, part: str) -> None:
    """The very unit, but for the command that it starts."""
    own = {name: f"{STATE}/{name}" for name in ("daemon", "bot", "model")}
    places = ["/etc", "/usr", "/opt/lookalike", "/home/anna", PICTURES, "/var/log", "/var/tmp",
              "/tmp", "/var/cache/lookalike", STORE, *own.values()]  # fmt: skip
    disk = next(path for path in Path("/dev").iterdir() if path.is_block_device())
    told = f"PLACES, PICTURES, DISK = {places!r}, {PICTURES!r}, {str(disk)!r}\n"
    installed.systemd.write("/opt/probe.py", told + PROBE)
    start = ("ExecStart=", f"ExecStart={PYTHON} /opt/probe.py")
    installed.systemd.drop_in(part, "zz-probe", "Type=oneshot", "Restart=no", *start)
    installed.systemd.systemctl("start", f"lookalike-{part}", check=False)
    found = re.search(r"PROBE (.*)", installed.systemd.journal("--unit", f"lookalike-{part}"))
    assert found, installed.systemd.journal()
    probed = json.loads(found[1])

    writable = {"/tmp", "/var/tmp"}
    writable |= {own[part]} if part in own else set()
    writable |= {STORE} if part == "daemon" else set()
    writable |= {"/var/cache/lookalike"} if part in ("daemon", "model") else set()
    assert {place for place, can in probed["write"].items() if can == "done"} == writable
    others = {place: can for place, can in probed["write"].items() if place not in writable}
    others.pop("/var/cache/lookalike", None)  # there, once the daemon was
    assert others == dict.fromkeys(others, READ_ONLY)
    assert probed["read"], "a root below a home can be read"
    assert probed["processes"] > 1, "those of others are invisible"
    assert probed["secret"] == "Permission denied"
    assert (probed["outside"] == DENIED) == (part == "web")
    assert probed["loopback"] == "done"
    assert probed["packets"] == "Address family not supported by protocol"
    refused = ("namespace", "mount", "personality", "host name", "real time")
    assert {name: probed[name] for name in refused} == dict.fromkeys(refused, DENIED)
    assert probed["disk"] != "done"
    assert (disk.name in probed["devices"]) == (part in ("daemon", "model"))
    assert (probed["rights"], probed["kernel"]) == (0, [1, 2])


def test_it_is_installed_runs_and_is_taken_away(machine: Machine) -> None:
    """As a person does it: each time it shows what it will do, and asks."""
    systemd = machine.systemd
    before = written(systemd)
    assert "Nothing was changed." in machine.install_service(answer="n\n", check=False)
    assert written(systemd) == before
    machine.install_service()
    machine.wait_active("model", "daemon", "web")
    machine.wait_indexed()
    assert machine.show("bot", "LoadState") == "not-found"
    user, uid = systemd.run("id", "-un", "lookalike"), systemd.run("id", "-u", "lookalike")
    assert user.stdout == "lookalike\n"
    assert "--uninstall" not in machine.install_service("--uninstall")
    assert written(systemd) == before
    for part in ("model", "daemon", "web"):
        assert machine.show(part, "LoadState") == "not-found"
    ours = systemd.run("ps", "--no-headers", "-u", uid.stdout.strip(), check=False)
    assert ours.stdout == "", "a process is left"
    assert (systemd.path(STORE)).is_dir()
    assert "No service of Lookalike is installed there." in machine.install_service("--uninstall")


def written(systemd: Systemd) -> set[str]:
    """What an installation writes, but for configuration and user."""
    folders = [systemd.path("/etc") / name for name in ("systemd", "tmpfiles.d", "sysusers.d")]
    return {str(path) for each in folders for path in each.rglob("*") if not path.is_dir()}


def test_a_person_installs_a_service_of_their_own(machine: Machine) -> None:
    """With a manager of their own, and no right but theirs."""
    systemd = machine.systemd
    systemd.run("useradd", "--uid", "4242", "--home-dir", "/home/anna", "anna")
    document = {"roots": {"anna": "pictures"}, "model": {"name": machine.model}, "web": {"port": 0}}
    systemd.write("/home/anna/config.yaml", yaml.safe_dump(document))
    environment = "/home/anna/.config/lookalike/environment"
    systemd.write(environment, f"LOOKALIKE_WEIGHTS={INSIDE_WEIGHTS}\n")
    systemd.write("/etc/systemd/system/anna.service", MANAGER_OF_ANNA)
    systemd.run("install", "--directory", "--owner=anna", "--mode=700", "/run/user/4242")
    systemd.run("chown", "-R", "anna:anna", "/home/anna")
    systemd.systemctl("daemon-reload")
    systemd.systemctl("start", "anna.service")

    def as_anna(*words: str | Path, answer: str = "", check: bool = True) -> str:
        runtime = "XDG_RUNTIME_DIR=/run/user/4242"
        done = systemd.run("env", runtime, *words, user="anna", answer=answer, check=check)
        return done.stdout + done.stderr

    lookalike = (PYTHON.with_name("lookalike"), "--config", "/home/anna/config.yaml")
    said = as_anna(*lookalike, "install-service", "--user", answer="y\n")
    assert "/home/anna/.config/systemd/user/lookalike-daemon.service" in said

    def is_active(part: str) -> bool:
        return as_anna("systemctl", "--user", "is-active", part, check=False) == "active\n"

    parts = [f"lookalike-{part}" for part in ("model", "daemon", "web")]
    systemd.wait(lambda: all(map(is_active, parts)), SLOW_SECONDS)
    systemd.wait(lambda: "15 pictures indexed" in as_anna(*lookalike, "status"), SLOW_SECONDS)
    shown = as_anna("systemctl", "--user", "show", "--value", "--property=MainPID", parts[1])
    process = systemd.path("/proc") / shown.strip()
    status = (process / "status").read_text()
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status
    mounts = [line.split() for line in (process / "mounts").read_text().splitlines()]
    options = {place: how.split(",") for _, place, _, how, *_ in mounts}
    assert "ro" in options["/home"], "the pictures can only be read"
    assert "rw" in options["/home/anna/var/index"]
    as_anna(*lookalike, "install-service", "--user", "--uninstall", answer="y\n")
    assert as_anna("systemctl", "--user", "is-active", *parts, check=False) == "inactive\n" * 3
    left = systemd.run("find", "/home/anna/.config", "-not", "-type", "d").stdout
    assert left == f"{environment}\n"
