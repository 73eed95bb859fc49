"""Each part does its main job under what its unit says, where no service manager runs it.

What a service manager alone can do (control groups, hidepid) is named, and not proved here.
"""

import ctypes
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.embedders.weights import in_folder
from core.serving import socket_file
from tests.bot.conftest import judge, run
from tests.bot.test_ways_in import MENTION, Run, message, text_of
from tests.fake_discord.judge import Judge
from tests.fake_discord.process import bot_process, end
from tests.fake_discord.server import FakeDiscord
from tests.model_service import wait
from tests.pictures import jpeg, write
from tests.project import TOP, Project
from tests.systemd.filters import LIBRARY
from tests.systemd.unit import OUTSIDE, Unit

__all__ = ["judge", "run"]  # fixtures

UNITS = TOP / "systemd"
PARTS = ("daemon", "web", "bot", "model")
MODEL = "deit_tiny_patch16_224"
PICTURES = 6
PATIENCE = 120
"""Seconds: where six others compute, a model takes more than one minute to load."""
DEVICES = {"fd", "full", "null", "random", "shm", "stderr", "stdin", "stdout", "tty",
           "urandom", "zero"}  # fmt: skip
DONE, READ_ONLY, REFUSED, NO_FAMILY = "done", "EROFS", "EPERM", "EAFNOSUPPORT"
WRITES = {"daemon": {"index", "state/daemon", "cache"}, "web": set(), "bot": {"state/bot"},
          "model": {"state/model", "cache"}}  # fmt: skip


def confined(unit: Path, folder: Path, command: list[str]) -> list[str]:
    """The command under the unit, whose folders are those of a test."""
    return [
        sys.executable, "-m", "tests.systemd.restricted", str(unit),
        "--at", f"/var/lib/lookalike={folder}/var",
        "--at", f"/var/cache/lookalike={folder}/var/cache",
        "--show", str(folder), "--", *command,
    ]  # fmt: skip


class Service(Project):
    """A project whose parts run under their units; the command line does not."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        for name in ("index", "cache", *(f"state/{part}" for part in PARTS if part != "web")):
            (folder / "var" / name).mkdir(parents=True)  # as tmpfiles.d has made them
        self.configure(web={"port": 0, "searches_per_minute": 0})
        for n in range(PICTURES):
            write(self.dataset / f"{n}_x.jpg", n)

    def command(self, *arguments: str | Path) -> list[str]:
        plain = super().command(*arguments)
        if arguments and arguments[0] in PARTS:
            return confined(unit_of(str(arguments[0])), self.folder, plain)
        return plain

    def index_all(self) -> None:
        """The daemon's main job, and its end."""
        self.launch()
        self.wait(self.has_all, PATIENCE)
        assert self.daemon is not None
        assert is_restricted(self.daemon.pid)
        assert self.stop() == 0, self.log()

    def has_all(self) -> bool:
        status = self.status()
        return status.get("indexed") == PICTURES and not status["pending"]

    @contextmanager
    def running(self, part: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
        """The part, and what it says; at its end it has stopped cleanly."""
        said = self.folder / f"{part}.log"
        with said.open("w") as log:
            process = subprocess.Popen(self.command(part), cwd=TOP, env=self.environ, stderr=log)
        try:
            yield process, said
            process.terminate()
            assert process.wait(15) == 0, said.read_text()
        finally:
            process.kill()
            process.wait()

    def search_on_the_page(self) -> dict[str, Any]:
        """The web's main job: over HTTP, with a picture that has a copy in the index."""
        with self.running("web") as (process, said):
            wait(
                lambda: process.poll() is not None or "The page is at" in said.read_text(), PATIENCE
            )
            found = re.search(r"The page is at (\S+)", said.read_text())
            assert found, said.read_text()
            assert is_restricted(process.pid)
            with httpx.Client(base_url=found[1], timeout=PATIENCE) as client:
                answer = client.post("/api/search", files={"image": jpeg(3)})
                assert client.get("/").status_code == 200
            assert answer.status_code == 200, answer.text
            return dict(answer.json())


def unit_of(part: str) -> Path:
    return UNITS / f"lookalike-{part}.service"


def is_restricted(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    return "NoNewPrivs:\t1" in status and "Seccomp:\t2" in status and "CapBnd:\t0000000" in status


def closest(found: dict[str, Any]) -> tuple[str, float]:
    match = found["matches"][0]
    return match["path"], match["distance"]


@pytest.fixture(scope="module", autouse=True)
def possible() -> None:
    if not UNITS.is_dir():
        pytest.skip("no units here: they come with the folder systemd/")
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze (Debian: systemd), which knows the groups of system calls")
    try:
        ctypes.CDLL(LIBRARY)
    except OSError:
        pytest.skip(f"no {LIBRARY} (Debian: libseccomp2)")
    if subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this kernel does not permit 'unshare -Urm'")


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Service:
    """What the daemon has indexed under its unit."""
    made = Service(tmp_path_factory.mktemp("restricted") / "project")
    try:
        made.index_all()
    finally:
        if made.daemon:
            made.daemon.kill()
            made.daemon.wait()
    return made


@pytest.fixture
def with_model(tmp_path: Path) -> Iterator[Service]:
    given = Path(os.environ.get("LOOKALIKE_WEIGHTS") or TOP.parent / "shared/weights")
    if not given.is_dir() or in_folder(given, MODEL) is None:
        pytest.skip(f"no weights of {MODEL}: set LOOKALIKE_WEIGHTS")
    made = Service(tmp_path / "project")
    made.configure(model={"name": MODEL})
    made.environ |= {"LOOKALIKE_WEIGHTS": str(given), "HF_HUB_OFFLINE": "1"}
    yield made
    if made.daemon:
        made.daemon.kill()
        made.daemon.wait()


def probe(service: Service, unit: Path) -> dict[str, Any]:
    """What a process may do under the unit."""
    var = service.folder / "var"
    folders = {"dataset": service.dataset, "top": service.folder, "index": var / "index"}
    folders |= {name: var / name for name in ("cache", "state/daemon", "state/bot", "state/model")}
    command = [sys.executable, "-m", "tests.systemd.probe"]
    command += [f"{name}={folder}" for name, folder in folders.items()]
    with tempfile.NamedTemporaryFile(dir="/tmp") as another:
        done = subprocess.run(
            confined(unit, service.folder, command),
            cwd=TOP, env=service.environ, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = dict(json.loads(done.stdout))
    return found | {"another's": Path(another.name).name in found["tmp"]}


def test_the_daemon_indexes_and_stops(indexed: Service) -> None:
    assert indexed.status()["indexed"] == PICTURES
    assert "lookalike-daemon.service: not applied here: " in indexed.log()
    assert indexed.json("verify")["missing"] == []


def test_the_web_answers_a_search(indexed: Service) -> None:
    assert closest(indexed.search_on_the_page()) == ("3_x.jpg", 0.0)


def test_the_bot_answers_a_message(indexed: Service, judge: Judge, run: Run) -> None:
    async def talk() -> None:
        async with FakeDiscord(judge) as fake, bot_process(indexed, fake) as running:
            await fake.gateway.until_said("IDENTIFY")
            assert is_restricted(running.pid)
            answer = await fake.answer(await fake.post(message(fake, MENTION)))
            assert "identical" in text_of(answer)
            running.terminate()
            code, said = await end(running)
            assert code == 0, said
            assert fake.violations == []

    run(talk())


@pytest.mark.faults
@pytest.mark.model
@pytest.mark.timeout(600)
def test_daemon_and_web_each_with_a_real_model_of_their_own(with_model: Service) -> None:
    with_model.index_all()
    assert with_model.status()["model"].startswith(MODEL)
    found = with_model.search_on_the_page()
    assert closest(found)[0] == "3_x.jpg"
    assert closest(found)[1] < 0.001


@pytest.mark.faults
@pytest.mark.model
@pytest.mark.timeout(600)
def test_the_model_service_embeds_for_the_daemon_and_the_web(with_model: Service) -> None:
    with with_model.running("model") as (process, said):
        wait(lambda: process.poll() is not None or socket_of(with_model).exists())
        assert process.poll() is None, said.read_text()
        with_model.launch()
        with_model.wait(with_model.has_all, PATIENCE)
        assert with_model.daemon is not None
        assert "libtorch" not in Path(f"/proc/{with_model.daemon.pid}/maps").read_text()
        assert closest(with_model.search_on_the_page())[0] == "3_x.jpg"
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        (worker,) = (int(child) for child in children)
        assert "libtorch" in Path(f"/proc/{worker}/maps").read_text()
        assert is_restricted(worker)
        assert with_model.stop() == 0, with_model.log()


def socket_of(service: Service) -> Path:
    return socket_file(service.folder / "var/state")


@pytest.mark.parametrize("part", PARTS)
def test_what_is_none_of_its_business_is_refused(indexed: Service, part: str) -> None:
    found = probe(indexed, unit_of(part))
    for folder in ("dataset", "top", "index", "cache", "state/daemon", "state/bot", "state/model"):
        expected = DONE if folder in WRITES[part] else READ_ONLY
        assert found[f"write {folder}"] == expected, folder
    refused = ("make set-user-id", "personality", "host name", "real time", "kernel log",
               "trace", "mount", "chroot", "new mounts", "new users")  # fmt: skip
    assert {name: found[name] for name in refused} == dict.fromkeys(refused, REFUSED)
    assert found["tunable"] == READ_ONLY
    families = ("NETLINK", "PACKET", "VSOCK")
    assert {found[f"socket AF_{family}"] for family in families} == {NO_FAMILY}
    allowed = ("socket AF_UNIX", "socket AF_INET", "write /tmp")
    assert {name: found[name] for name in allowed} == dict.fromkeys(allowed, DONE)
    rights = ("CapEff", "CapPrm", "CapBnd", "CapAmb")
    assert {int(found[name], 16) for name in rights} == {0}
    assert (found["NoNewPrivs"], found["Seccomp"], found["umask"]) == ("1", "2", "0077")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert found["files"] == min(65536, most)
    assert found["user"] != 0
    assert found["another's"] is False
    if part in ("web", "bot"):
        assert set(found["devices"]) <= DEVICES


def test_the_probe_sees_a_unit_that_restricts_nothing(indexed: Service, tmp_path: Path) -> None:
    unit = tmp_path / "naive.service"
    unit.write_text("[Service]\nExecStart=/bin/true\n")
    found = probe(indexed, unit)
    kept = ("write dataset", "write index", "write state/bot", "make set-user-id", "personality",
            "socket AF_NETLINK", "trace", "mount", "chroot", "new mounts", "new users")  # fmt: skip
    assert {name: found[name] for name in kept} == dict.fromkeys(kept, DONE)
    assert found["another's"] is True
    assert found["user"] == 0
    assert int(found["CapBnd"], 16)


def test_a_line_that_nothing_here_knows_is_not_passed_over(tmp_path: Path) -> None:
    unit = tmp_path / "new.service"
    unit.write_text("[Service]\nProtectEverything=yes\n")
    with pytest.raises(SystemExit, match="nothing here knows ProtectEverything"):
        Unit(unit, {})


@pytest.mark.parametrize("part", PARTS)
def test_what_is_not_applied_is_named(part: str) -> None:
    missing = {line.partition(" ")[0] for line in Unit(unit_of(part), {}).not_applied()}
    assert {"MemoryMax", "TasksMax", "ProtectProc"} <= missing <= OUTSIDE.keys()
