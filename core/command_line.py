"""The command line of one part: `python -m daemon [--config FILE]`, and so on."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from core.config import Config, load_config
from core.errors import AppError
from core.logs import announce


def run_part(module: str, about: str | None, run: Callable[[Config], int]) -> int:
    """The exit code. `about` is what --help says of it."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=about)
    default = Path(os.environ.get("LOOKALIKE_CONFIG", "config.yaml"))
    parser.add_argument("--config", type=Path, default=default)
    try:
        return run(load_config(parser.parse_args().config))
    except AppError as error:
        announce(str(error))
        return error.exit_code
