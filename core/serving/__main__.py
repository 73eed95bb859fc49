"""`python -m core.serving [--config FILE]`: the same as `lookalike model`."""

import argparse
import os
import sys
from pathlib import Path

from core.config import load_config
from core.errors import AppError
from core.serving.runner import run


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m core.serving", description=__doc__)
    default = Path(os.environ.get("LOOKALIKE_CONFIG", "config.yaml"))
    parser.add_argument("--config", type=Path, default=default)
    try:
        run(load_config(parser.parse_args().config))
    except AppError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
