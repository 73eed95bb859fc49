"""`lookalike up`: one command starts everything, and everything ends with it."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cli.up import STOP_SECONDS, parts
from core.config import load_config
from tests.pictures import jpeg, write
from tests.project import TOP, Project


class Up:
    """A running `lookalike up`."""

    def __init__(self, project: Project) -> None:
        self.file = project.folder / "up.log"
        with self.file.open("w") as log:
            self.process = subprocess.Popen(
                project.command("up"), cwd=TOP, env=project.environ, stderr=log
            )

    def log(self) -> str:
        return self.file.read_text()

    def address(self) -> str:
        deadline = time.monotonic() + 30
        while not (found := re.search(r"The page is at (http://\S+)/", self.log())):
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)
        return found[1]

    def children(self) -> dict[str, int]:
        pids = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        commands = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in pids.split()}
        return {text.split("\0")[2]: int(pid) for pid, text in commands.items()}


@pytest.fixture
def up(project: Project) -> Iterator[Up]:
    project.configure(web={"port": 0})
    write(project.dataset / "1.jpg", 1)
    up = Up(project)
    yield up
    up.process.kill()
    up.process.wait()


def is_gone(pid: int) -> bool:
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


def wait_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 15
    while not all(map(is_gone, pids)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_says_where_the_page_is_and_ctrl_c_ends_everything(up: Up, project: Project) -> None:
    address = up.address()
    assert httpx.get(address + "/").status_code == 200, "it answers as soon as it is announced"
    project.wait_indexed(1)
    found = httpx.post(address + "/api/search", files={"image": jpeg(1)}).json()
    assert found["matches"][0]["distance"] == 0
    children = up.children()
    assert set(children) == {"daemon", "web"}
    started = time.monotonic()
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(30) == 0
    assert time.monotonic() - started < STOP_SECONDS, "nobody had to be killed"
    assert all(map(is_gone, children.values()))


def test_when_one_part_ends_all_end_with_its_exit_code(up: Up) -> None:
    up.address()
    children = up.children()
    os.kill(children["web"], signal.SIGKILL)
    assert up.process.wait(30) == 1
    assert "The web ended with signal SIGKILL" in up.log()
    assert is_gone(children["daemon"])


@pytest.mark.slow
def test_a_killed_up_leaves_nobody_behind(up: Up) -> None:
    up.address()
    children = up.children()
    up.process.kill()
    up.process.wait()
    wait_gone(list(children.values()))


@pytest.mark.slow
def test_a_part_that_cannot_start_ends_it_all(project: Project) -> None:
    project.configure(web={"host": "0.0.0.0", "port": 0})
    result = project.process("up")
    assert result.returncode == 78
    assert "LOOKALIKE_WEB_PASSWORD" in result.stderr
    project.configure(wach={})
    wrong = project.process("up")
    assert wrong.returncode == 78
    assert wrong.stderr.count("wach: there is no such setting") == 1


def test_the_bot_runs_where_it_has_a_token(project: Project) -> None:
    project.command()
    config = load_config(project.folder / "config.yaml")
    assert parts(config, {}) == parts(config, {"DISCORD_TOKEN": ""}) == ["daemon", "web"]
    assert parts(config, {"DISCORD_TOKEN": "x"}) == ["daemon", "web", "bot"]
    assert parts(config, {"DISCORD_TOKEN_FILE": "/run/x"}) == ["daemon", "web", "bot"]


def test_a_model_that_weighs_something_gets_a_process_to_share_it(project: Project) -> None:
    project.configure(model={"name": "dinov2_vits14"})
    project.command()
    assert parts(load_config(project.folder / "config.yaml"), {}) == ["model", "daemon", "web"]
