"""Numbers as people read them."""

_UNITS = ["bytes", "kB", "MB", "GB", "TB"]


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 folder`, `2,020 pictures`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def size(number: float) -> str:
    """`3.4 GB`; powers of ten, as disks are sold."""
    unit = 0
    while number >= 1000 and unit < len(_UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return (
        f"{number:.0f} {_UNITS[unit]}"
        if number >= 100 or not unit
        else (f"{number:.1f} {_UNITS[unit]}")
    )


def lasting(seconds: float) -> str:
    """`40 s`, `12 min`, `3.5 h`, `2.1 days`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"
