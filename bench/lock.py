"""Prints requirements.lock: what is installed, without what torch brings for one accelerator.

`make lock > requirements.lock`; the result installs on macOS, on arm64 and from another index.
"""

import re
from importlib.metadata import distributions

_BROUGHT_BY_TORCH = re.compile(r"nvidia-.*|cuda-.*|triton.*|pytorch-triton.*")
_NOT_OURS = {"lookalike", "pip"}


def main() -> None:
    """To stdout."""
    names = {re.sub(r"[-_.]+", "-", d.metadata["Name"]).lower(): d.version for d in distributions()}
    print("# Made by `make lock`. No hashes: torch comes from another index on some machines.")
    for name, version in sorted(names.items()):
        if name not in _NOT_OURS and not _BROUGHT_BY_TORCH.fullmatch(name):
            print(f"{name}=={version.partition('+')[0]}")


if __name__ == "__main__":
    main()
