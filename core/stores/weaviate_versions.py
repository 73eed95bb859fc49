"""Which Weaviate servers we work with."""

import re

from core.stores.weaviate_url import Version


def parse_version(text: str) -> Version:
    """(1, 38, 10) of "1.38.10-rc.1"."""
    match = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part or 0) for part in match.groups()) if match else (0, 0, 0)


def is_supported(version: Version, oldest: Version | None) -> bool:
    """Whether the faults that would lose rows are mended in this version.

    1.38.10 and 1.39.1 were the first of their lines in which a read-only shard refuses every row
    of a batch instead of all but one.
    """
    if oldest is not None:
        return version >= oldest
    return (1, 38, 10) <= version < (1, 39) or version >= (1, 39, 1)
