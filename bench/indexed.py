"""A folder, indexed by the ordinary way, and the daemon that keeps it so."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from core.config import Config, load_config
from core.state import read_status
from daemon.engine import Engine
from daemon.progress import ProgressBar
from daemon.to_the_end import sync_to_the_end


def indexed(
    work: Path,
    folder: Path,
    model: str,
    *,
    name: str = "pictures",
    left_out: list[str] | None = None,
) -> Config:
    """The configuration of an index of `folder` below `work`, without the paths `left_out`."""
    file = work / "config.yaml"
    settings = {
        "roots": {name: str(folder.absolute())},
        "ignore": [f"/{path}" for path in left_out or []],
        "model": {"name": model, "fallback": None},
        "web": {"searches_per_minute": 0},
    }
    file.write_text(yaml.safe_dump(settings))
    config = load_config(file)
    with ProgressBar() as bar, Engine(config) as engine:
        engine.open_model()
        sync_to_the_end(engine, engine.everything, bar)
    return config


@contextmanager
def running_daemon(config: Config, work: Path) -> Iterator[None]:
    """One that watches, while the context lasts."""
    command = [sys.executable, "-m", "daemon", "--config", str(work / "config.yaml")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        while (status := read_status(config.state / "daemon")) is None or (
            status.state != "watching"
        ):
            if process.poll() is not None:
                raise SystemExit(f"The daemon ended with {process.returncode}.")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()
