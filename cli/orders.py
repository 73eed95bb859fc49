"""Commands that change the index: through the running daemon, or, without one, in its place."""

import logging
import os
from pathlib import Path
from typing import Any

from cli.output import print_json, say
from core.config import Config, load_config
from core.logs import set_up_logging
from core.state import Progress
from daemon.commands import execute
from daemon.control import ask_daemon
from daemon.engine import Engine
from daemon.progress import ProgressBar
from daemon.to_the_end import build_to_the_end


def sync(config_file: Path, paths: list[Path], *, as_json: bool) -> int:
    """The exit code: 1 if a file could not be finished."""
    config = load_config(config_file)
    absolute = [os.path.abspath(path) for path in paths]  # noqa: PTH100 - links stay as named
    result = _order(config, "sync", {"paths": absolute})
    return _report(result, as_json=as_json)


def approve(config_file: Path, *, as_json: bool) -> int:
    """The exit code."""
    return _report(_order(load_config(config_file), "approve", {}), as_json=as_json)


def adopt(config_file: Path, root: str, *, as_json: bool) -> int:
    """The exit code."""
    return _report(_order(load_config(config_file), "adopt", {"root": root}), as_json=as_json)


def forget(config_file: Path, root: str | None, *, as_json: bool) -> int:
    """The exit code; None = every root."""
    config = load_config(config_file)
    result = _order(config, "forget", {"root": root} if root is not None else {"all": True})
    if as_json:
        print_json(result)
    else:
        print(f"Forgot {result['forgotten']} pictures; the files are untouched.")
    if root is None or root in config.roots:
        say("Roots that stay in the configuration are indexed again at the next scan.")
    return 0


def _order(config: Config, command: str, arguments: dict[str, Any]) -> dict[str, Any]:
    set_up_logging(config.log.model_copy(update={"level": "warning"}))
    with ProgressBar() as bar:

        def show(progress: dict[str, Any]) -> None:
            bar(Progress(**progress))

        socket = config.state / "daemon" / "control.sock"
        result = ask_daemon(socket, command, arguments, show)
        if result is not None:
            return result
        with Engine(config) as engine:
            if command == "forget":
                engine.open_catalogue()
            else:
                engine.open_model()
            if engine.mirrors.problem:
                logging.getLogger("cli").warning("%s", engine.mirrors.problem)
            result = execute(engine, command, arguments, show)
            if engine.mirrors.building and command == "sync":
                build_to_the_end(engine, bar)
            return result


def _report(result: dict[str, Any], *, as_json: bool) -> int:
    if as_json:
        print_json(result)
    else:
        print(
            f"{result['written']} written ({result['embedded']} embedded), "
            f"{result['deleted']} deleted, {result['unchanged']} unchanged"
        )
    for root, path, reason in result["failed"]:
        say(f"Not finished: {root}/{path}: {reason}")
    for reason in result["suspended"].values():
        say(reason)
    return 1 if result["failed"] or result["suspended"] or result["stopped"] else 0
