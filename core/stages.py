"""Which stages of a part must go on working for the whole to count as alive."""

from core.pulse import Pulse


class Stages:
    """Named pulses: a part is alive while none of them is silent for longer than it may be.

    A stage counts from the moment it is added: one that has not begun yet cannot be late.
    """

    def __init__(self) -> None:
        self._pulses: dict[str, Pulse] = {}

    def add(self, name: str, pulse: Pulse) -> None:
        """From now on it must beat."""
        pulse.beat()
        self._pulses[name] = pulse

    @property
    def problem(self) -> str | None:
        """A sentence that names the stages that are silent; None while the part is alive."""
        silent = [
            f"{name} (for {pulse.age_seconds:.0f} s)"
            for name, pulse in list(self._pulses.items())
            if pulse.problem
        ]
        return f"No sign of life from: {', '.join(silent)}." if silent else None
