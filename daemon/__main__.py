"""`python -m daemon [--config FILE]`: the same as `lookalike daemon`."""

import sys

from core.command_line import run_part
from daemon.runner import run

if __name__ == "__main__":
    sys.exit(run_part("daemon", __doc__, run))
