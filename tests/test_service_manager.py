"""What a service manager hears of the real parts."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.project import Project

WATCHDOG_SECONDS = 2


class Heard:
    """The service manager's end, and all that it was told."""

    def __init__(self, file: Path) -> None:
        self.lines: list[str] = []
        self._file = file
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(file))
        self._socket.settimeout(0.2)

    def environ(self) -> dict[str, str]:
        return {
            "NOTIFY_SOCKET": str(self._file),
            "WATCHDOG_USEC": str(WATCHDOG_SECONDS * 1_000_000),
        }

    def until(self, met: Callable[[list[str]], object], seconds: float = 40) -> bool:
        deadline = time.monotonic() + seconds
        while not met(self.lines) and time.monotonic() < deadline:
            self._listen()
        return bool(met(self.lines))

    def forget(self) -> None:
        """What was said up to now."""
        while self._listen():
            pass
        self.lines.clear()

    def _listen(self) -> bool:
        try:
            self.lines += self._socket.recv(8192).decode().split("\n")
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[Heard]:
    made = Heard(tmp_path / "n")
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "status"),
    [
        ("daemon", "watching: 0 pictures indexed"),
        ("web", "serving http://"),
        ("model", "nobody has asked"),
    ],
)
def test_a_part_says_when_it_is_ready_alive_and_stopping(
    project: Project, heard: Heard, part: str, status: str
) -> None:
    project.configure(web={"port": 0})
    process = subprocess.Popen(
        project.command(part), env=project.environ | heard.environ(), stderr=subprocess.DEVNULL
    )
    try:
        assert heard.until(lambda lines: "READY=1" in lines), heard.lines
        assert heard.until(lambda lines: any(f"STATUS={status}" in line for line in lines))
        told = [line for line in heard.lines if line.startswith(("STATUS=", "READY="))]
        assert not any(status in line for line in told[: told.index("READY=1")]), "not yet true"
        heard.forget()
        assert heard.until(lambda lines: lines.count("WATCHDOG=1") >= 2), heard.lines
        process.send_signal(signal.SIGSTOP)
        heard.forget()
        assert not heard.until(lambda lines: lines, seconds=WATCHDOG_SECONDS)
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGTERM)
        assert heard.until(lambda lines: "STOPPING=1" in lines), heard.lines
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


def test_a_daemon_whose_store_is_away_asks_for_more_time_to_start(
    project: Project, heard: Heard
) -> None:
    project.configure(store="weaviate://127.0.0.1:9?grpc=10")
    process = subprocess.Popen(
        project.command("daemon"), env=project.environ | heard.environ(), stderr=subprocess.DEVNULL
    )
    try:
        assert heard.until(lambda lines: sum("EXTEND_TIMEOUT" in line for line in lines) >= 3)
        assert "READY=1" not in heard.lines
        assert "WATCHDOG=1" not in heard.lines
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


def test_the_parts_do_not_hand_the_socket_on(project: Project, heard: Heard) -> None:
    process = subprocess.Popen(
        project.command("daemon"), env=project.environ | heard.environ(), stderr=subprocess.DEVNULL
    )
    try:
        assert heard.until(lambda lines: "READY=1" in lines), heard.lines
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for child in children:
            assert b"NOTIFY_SOCKET" not in Path(f"/proc/{child}/environ").read_bytes()
        assert os.environ.get("NOTIFY_SOCKET") is None
    finally:
        process.kill()
        process.wait()
