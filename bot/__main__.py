"""`python -m bot [--config FILE]`: the same as `lookalike bot`."""

import sys

from bot.runner import run
from core.command_line import run_part

if __name__ == "__main__":
    sys.exit(run_part("bot", __doc__, run))
