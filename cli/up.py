"""`lookalike up`: every part as a process of its own; they start, and stop, together."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType

from core.bootstrap import is_light
from core.config import Config, load_config
from core.local_sockets import connect
from core.logs import announce, set_up_logging
from core.serving import socket_file

STOP_SECONDS = 10
_LOOK_SECONDS = 0.1
_PR_SET_PDEATHSIG = 1
_MODULES = {"model": "core.serving"}
"""Parts that are not named like their package."""


def up(config_file: Path, environ: Mapping[str, str] = os.environ) -> int:
    """The exit code: 0 when asked to stop, else that of the part that ended first."""
    config = load_config(config_file)  # what is wrong with it is said once, not by every part
    set_up_logging(config.log)
    stopping = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    running: dict[str, subprocess.Popen[bytes]] = {}
    code = 0
    try:
        for part in parts(config, environ):
            module = _MODULES.get(part, part)
            command = [sys.executable, "-m", module, "--config", str(config_file)]
            # In a group of its own, or Ctrl-C would reach it both from the terminal and from us.
            running[part] = subprocess.Popen(
                command,
                process_group=0,
                preexec_fn=_end_with(os.getpid()),  # noqa: PLW1509 - there are no threads here
            )
            while part == "model" and not (stopping or _ended(running[part]) or _serves(config)):
                time.sleep(_LOOK_SECONDS)  # the others look for it once, when they start
        while not stopping:
            ended = {part: child.returncode for part, child in running.items() if _ended(child)}
            if ended:
                part, code = next(
                    ((p, c) for p, c in ended.items() if c), next(iter(ended.items()))
                )
                announce(f"The {part} ended with {_told(code)}; stopping everything.")
                break
            time.sleep(_LOOK_SECONDS)
    finally:
        _stop(list(running.values()))
    return code if code >= 0 else 1


def parts(config: Config, environ: Mapping[str, str]) -> list[str]:
    """What to run: the model where it weighs something, the bot only where it has a token."""
    model = [] if is_light(config.model.name) else ["model"]
    has_token = environ.get("DISCORD_TOKEN") or environ.get("DISCORD_TOKEN_FILE")
    return [*model, "daemon", "web", *(["bot"] if has_token else [])]


def _serves(config: Config) -> bool:
    """Whether the model service can be reached; that it begins to start is all the better."""
    try:
        connect(socket_file(config.state)).close()
    except OSError:
        return False
    return True


def _end_with(parent: int) -> Callable[[], None] | None:
    """For the child to call: if `parent` is killed it is asked to stop, too (Linux)."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)

    def arrange() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return arrange


def _ended(child: subprocess.Popen[bytes]) -> bool:
    return child.poll() is not None


def _told(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


def _stop(children: list[subprocess.Popen[bytes]]) -> None:
    """Ask them all, then wait; who does not listen is killed."""
    for child in children:
        if not _ended(child):
            child.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for child in children:
        try:
            child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
