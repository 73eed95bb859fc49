"""`make keys`: fills in the secrets of `.env` that are still empty. Standard library only."""

import os
import re
import secrets
import sys
import tempfile
from pathlib import Path

NAMES = (
    "WEAVIATE_DAEMON_KEY",
    "WEAVIATE_READER_KEY",
    "WEAVIATE_CLUSTER_PASSWORD",
    "LOOKALIKE_WEB_PASSWORD",
)
_KEY_BYTES = 24


def fill(text: str) -> tuple[str, list[str]]:
    """The text of a `.env` with a random value for each of NAMES that has none, and which those
    were. A name that is missing is added; nothing that is set is touched."""
    filled = []
    for name in NAMES:
        lines = re.findall(rf"^{name}=[ \t]*(.*)$", text, re.MULTILINE)
        if any(value.strip("'\" \t") for value in lines):
            continue
        line = f"{name}={secrets.token_urlsafe(_KEY_BYTES)}"
        if lines:
            text = re.sub(rf"^{name}=.*$", line, text, count=1, flags=re.MULTILINE)
        else:
            text += ("" if text.endswith("\n") or not text else "\n") + line + "\n"
        filled.append(name)
    return text, filled


def main() -> None:
    """Fill in `.env`, which only its owner can read afterwards."""
    file = Path(".env")
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        sys.exit("There is no .env yet. First: cp .env.example .env")
    text, filled = fill(text)
    if not filled:
        print("Every key in .env is set; nothing was changed.")
        return
    _replace(file.resolve(), text)
    print(f"Filled in {', '.join(filled)}.")


def _replace(file: Path, text: str) -> None:
    # Whole or not at all; mkstemp makes it readable by its owner alone.
    descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=".env.")
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    Path(temporary).replace(file)


if __name__ == "__main__":
    main()
