"""Secrets: from the environment, or from a file that it names; never from the configuration."""

import os
from collections.abc import Mapping
from pathlib import Path

from core.errors import ConfigError


def read_secret(name: str, environ: Mapping[str, str] = os.environ) -> str | None:
    """The secret in NAME, or in the file that NAME_FILE names; None where neither is set."""
    if value := environ.get(name):
        return value
    file = environ.get(f"{name}_FILE")
    if not file:
        return None
    try:
        return Path(file).read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{name}_FILE: {file} cannot be read: {error}.") from None
