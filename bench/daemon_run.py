"""A real daemon on an empty index: how fast it is, and what memory it takes."""

import json
import subprocess
import sys
import time
from pathlib import Path

import yaml

from bench.memory import status_mib


def index_by_a_daemon(
    folder: Path, model: str, work: Path, count: int
) -> tuple[float, dict[str, float]]:
    """Files a second from its first row to its last, and its memory after."""
    config = _config(folder, model, work)
    status = work / "var/state/daemon/status.json"
    command = [sys.executable, "-m", "cli", "--config", str(config), "daemon"]
    daemon = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        started = None
        while True:
            time.sleep(0.02)
            if daemon.poll() is not None:
                raise SystemExit(f"The daemon ended with {daemon.returncode}.")
            known = json.loads(status.read_text()) if status.exists() else {}
            if started is None and known.get("state") == "scanning":
                started = time.perf_counter()
            if known.get("indexed", 0) + known.get("rejected", 0) >= count:
                break
        assert started is not None
        seconds = time.perf_counter() - started
        time.sleep(3)
        return count / seconds, _memory(daemon.pid)
    finally:
        daemon.terminate()
        daemon.wait()


def _config(folder: Path, model: str, work: Path) -> Path:
    work.mkdir(parents=True, exist_ok=True)
    file = work / "config.yaml"
    settings = {
        "roots": {"dataset": str(folder.absolute())},
        "model": {"name": model, "fallback": None},
    }
    file.write_text(yaml.safe_dump(settings))
    return file


def _memory(pid: int) -> dict[str, float]:
    """Resident MiB of the daemon, and of it with its decoder processes."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    pids = (
        [pid, *(int(child) for child in children.read_text().split())] if children.exists() else []
    )
    own = status_mib(pid, "VmRSS")
    return {
        "daemon_resident_mib": own,
        "with_decoders_resident_mib": own + sum(status_mib(child, "VmRSS") for child in pids[1:]),
        "daemon_peak_mib": status_mib(pid, "VmHWM"),
    }
