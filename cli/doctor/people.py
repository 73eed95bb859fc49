"""Who we are, and whose a file is."""

import os
import pwd
from pathlib import Path


def me() -> str:
    """The name of the user we run as."""
    return name_of(os.geteuid())


def owner(path: Path) -> str:
    """Whose the file is. OSError."""
    return name_of(path.stat().st_uid)


def name_of(number: int) -> str:
    """A user's name, or the number of one who has none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
