"""A real model service: the doorkeeper, and the process that it starts."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from core.embedders.remote import RemoteEmbedder
from core.serving import socket_file
from core.serving.client import ModelService
from core.serving.wanted import Wanted
from tests.project import TOP

LAYOUT = Wanted(None, "colour-layout", None, "cpu")


class Service:
    """`python -m core.serving` on a state folder of its own."""

    def __init__(self, state: Path, *, unload_minutes: float = 10, **environ: str) -> None:
        state.mkdir(parents=True, exist_ok=True)
        self.state = state
        self.config = state / "service.yaml"
        settings = {
            "roots": {"dataset": str(state.parent / "dataset")},
            "state": str(state),
            "model": {"unload_minutes": unload_minutes},
        }
        self.config.write_text(yaml.safe_dump(settings))
        self.environ = {k: v for k, v in os.environ.items() if not k.startswith("LOOKALIKE_")}
        self.environ |= environ
        self.door: subprocess.Popen[bytes] | None = None
        self.log = state / "service.log"

    def command(self) -> list[str]:
        return [sys.executable, "-m", "core.serving", "--config", str(self.config)]

    def start(self) -> None:
        with self.log.open("a") as log:
            self.door = subprocess.Popen(self.command(), cwd=TOP, env=self.environ, stderr=log)
        wait(socket_file(self.state).exists)

    def kill(self) -> None:
        assert self.door is not None
        self.door.kill()
        self.door.wait()
        socket_file(self.state).unlink()  # as it is, start() could not tell

    def stop(self) -> int | None:
        if self.door is None:
            return None
        self.door.terminate()
        return self.door.wait(15)

    def worker(self) -> int | None:
        """The process that has the model, if there is one."""
        assert self.door is not None
        children = Path(f"/proc/{self.door.pid}/task/{self.door.pid}/children").read_text()
        return int(children) if children.strip() else None

    def worker_seconds(self) -> float:
        """Of the processor's, that its process has used; 0 where there is none."""
        if (pid := self.worker()) is None:
            return 0.0
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill_worker(self) -> None:
        pid = self.worker()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    def client(self) -> ModelService:
        return ModelService(socket_file(self.state))

    def embedder(self, wanted: Wanted = LAYOUT, **more: Any) -> RemoteEmbedder:
        return RemoteEmbedder(self.client(), wanted, lambda _: LAYOUT.open(), **more)


def wait(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
