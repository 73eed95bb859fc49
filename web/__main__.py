"""`python -m web [--config FILE]`: the same as `lookalike web`."""

import sys

from core.command_line import run_part
from web.runner import run

if __name__ == "__main__":
    sys.exit(run_part("web", __doc__, run))
