"""`python -m core.serving [--config FILE]`: the same as `lookalike model`."""

import sys

from core.command_line import run_part
from core.serving.runner import run

if __name__ == "__main__":
    sys.exit(run_part("core.serving", __doc__, run))
