"""How a process of ours starts another one of ours."""

import sys
from pathlib import Path

_CODE = "import sys; sys.path.insert(0, sys.argv.pop(1)); from {module} import main; main()"


def command_of(module: str) -> tuple[str, ...]:
    """Calls `main` of one of our modules; arguments may follow.

    -P and the first argument: whatever the working directory holds, it imports the `core` that we
    are.
    """
    code = _CODE.format(module=module)
    return (sys.executable, "-P", "-c", code, str(Path(__file__).resolve().parent.parent))
