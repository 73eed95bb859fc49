"""A project in a folder, its command line, and a real daemon."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import pytest
import yaml

from cli.main import main
from core.files import read_json

TOP = Path(__file__).parent.parent


class Result(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


class Project:
    """One configuration with one root, `dataset`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.dataset = folder / "dataset"
        self.dataset.mkdir(parents=True)
        self.settings: dict[str, Any] = {
            "roots": {"dataset": "./dataset"},
            "model": {"name": "colour-layout"},
            "watch": {"settle_seconds": 0.2},
        }
        self.environ = {k: v for k, v in os.environ.items() if not k.startswith("LOOKALIKE_")}
        self.daemon: subprocess.Popen[bytes] | None = None

    def configure(self, **settings: Any) -> None:
        self.settings |= settings

    def command(self, *arguments: str | Path) -> list[str]:
        file, text = self.folder / "config.yaml", yaml.safe_dump(self.settings)
        if not file.exists() or file.read_text() != text:  # a thread may be reading it
            file.write_text(text)
        return [
            sys.executable, "-W", "error::ResourceWarning", "-m", "cli",
            "--config", str(self.folder / "config.yaml"), *map(str, arguments),
        ]  # fmt: skip

    def cli(self, *arguments: str | Path, code: int | None = 0) -> Result:
        """The real command line, in this process: a process of its own spends a second on
        imports alone. test_cli_as_a_process holds the two equal."""
        command = self.command(*arguments)
        stdout, stderr = io.StringIO(), io.StringIO()
        with (
            mock.patch.object(sys, "argv", ["lookalike", *command[command.index("--config") :]]),
            mock.patch.dict(os.environ, self.environ, clear=True),
            redirect_stdout(stdout),
            redirect_stderr(stderr),
            pytest.raises(SystemExit) as ended,
        ):
            main()
        result = Result(int(ended.value.code or 0), stdout.getvalue(), stderr.getvalue())
        assert code in (None, result.returncode), result
        return result

    def process(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            cwd=TOP,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def json(self, *arguments: str | Path, code: int | None = 0) -> Any:
        return json.loads(self.cli(*arguments, "--json", code=code).stdout)

    def start(self) -> None:
        self.launch()
        self.wait(lambda: self.status()["state"] in ("watching", "suspended"))

    def launch(self) -> None:
        command = self.command("daemon")
        with (self.folder / "daemon.log").open("a") as log:
            self.daemon = subprocess.Popen(command, cwd=TOP, env=self.environ, stderr=log)

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.daemon is not None
        self.daemon.send_signal(number)
        code = self.daemon.wait(30)
        self.daemon = None
        return code

    def log(self) -> str:
        return (self.folder / "daemon.log").read_text()

    def status(self) -> dict[str, Any]:
        """As the daemon wrote it, without the cost of a process."""
        try:
            document = json.loads((self.folder / "var/state/daemon/status.json").read_bytes())
        except (FileNotFoundError, ValueError):  # none yet, or damaged on purpose
            return {"state": "none"}
        assert isinstance(document, dict)
        if self.daemon and document["pid"] != self.daemon.pid:
            return {"state": "none"}
        return document

    def embedded(self) -> int:
        """The count that the daemon writes at each batch, while status.json waits a second."""
        file = self.folder / "var/state/daemon/embedded.json"
        document = read_json(file)  # damaged on purpose by some tests
        return document["embedded_total"] if document else 0

    def embedded_total(self) -> int:
        """As `status` tells it, once it has heard of the last batch."""
        self.wait(lambda: self.status()["embedded_total"] == self.embedded())
        return self.embedded()

    def wait(self, condition: Callable[[], object], seconds: float = 40) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if self.daemon and self.daemon.poll() is not None:
                pytest.fail(f"the daemon ended with {self.daemon.returncode}:\n{self.log()}")
            if time.monotonic() > deadline:
                pytest.fail(f"waited {seconds} s in vain: {self.status()}\n{self.log()[-3000:]}")
            time.sleep(0.02)

    def wait_indexed(self, count: int) -> None:
        self.wait(lambda: self.status().get("indexed") == count and not self.status()["pending"])
