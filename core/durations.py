"""How long something will take, in words that do not promise more than we know."""

from core.state import Progress

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def time_left(seconds: float) -> str:
    """A rough figure, the rougher the farther the end is."""
    if seconds < 45:
        return "less than a minute left"
    if seconds < 55 * _MINUTE:
        minutes = round(seconds / _MINUTE)
        if minutes > 20:
            minutes = 5 * round(minutes / 5)
        return f"about {_many(minutes, 'minute')} left"
    if seconds < 36 * _HOUR:
        return f"about {_many(round(seconds / _HOUR), 'hour')} left"
    return f"about {_many(round(seconds / _DAY), 'day')} left"


def rate(per_second: float) -> str:
    """Files a second; a minute where that is easier to imagine."""
    if per_second >= 10:
        return f"{per_second:,.0f} a second"
    if per_second >= 1:
        return f"{per_second:.1f} a second"
    return f"{60 * per_second:.0f} a minute"


def how_far(progress: Progress) -> str:
    """45 % of 1,000 files, 62 a second, about 12 minutes left."""
    said = [f"{100 * progress.done // max(1, progress.total)} % of {progress.total:,} files"]
    if progress.seconds_left is not None:
        said += [rate(progress.per_second), time_left(progress.seconds_left)]
    return ", ".join(said)


def _many(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
