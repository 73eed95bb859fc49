"""Runs the checks one after another; none can stop those that follow, not even by hanging."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from cli.doctor import (
    clock,
    configuration,
    discord,
    forecast,
    limits,
    model,
    permissions,
    ports,
    roots,
    service,
    store,
)
from cli.doctor.facts import Facts
from cli.doctor.findings import Finding, from_error, problem
from core.config import Config
from core.errors import AppError

logger = logging.getLogger(__name__)

_PATIENCE_SECONDS = 30.0
_PATIENCE_WITH_MODEL_SECONDS = 600.0
"""A large one on a slow disk takes its time, and says nothing meanwhile."""
_REPORT = "Please report this with the output of --json; the other checks do not depend on it."


@dataclass(frozen=True, slots=True)
class Check:
    """One of them."""

    name: str
    run: Callable[[Facts], Iterable[Finding]]
    patience_seconds: float = _PATIENCE_SECONDS
    """Given up after so long without any progress."""


def all_checks(config: Config) -> list[Check]:
    """In an order in which each finds what it needs of those before."""
    return [
        Check("configuration", configuration.check),
        *(Check(f"root {root}", partial(roots.check, root=root)) for root in config.roots),
        Check("inotify", limits.check),
        Check("permissions", permissions.check),
        Check("model", model.check, _PATIENCE_WITH_MODEL_SECONDS),
        Check("store", store.check),
        Check("forecast", forecast.check),
        Check("daemon", service.check),
        Check("discord", discord.check),
        Check("ports", ports.check),
        Check("clock", clock.check),
    ]


def examine(facts: Facts, checks: Iterable[Check]) -> Iterator[tuple[str, list[Finding]]]:
    """What each check found, as soon as it has."""
    for check in checks:
        yield check.name, _Running(check, facts).findings()


class _Running:
    """A check in a thread of its own, as no call to a dead disk can be broken off."""

    def __init__(self, check: Check, facts: Facts) -> None:
        self._check = check
        self._facts = facts
        self._found: list[Finding] = []
        self._ended = threading.Event()
        self._moved = True
        self._doing = check.name

    def findings(self) -> list[Finding]:
        """Waits as long as there is progress."""
        show = self._facts.show

        def watched(doing: str, done: int, total: int | None) -> None:
            self._moved, self._doing = True, doing
            show(doing, done, total)

        self._facts.show = watched
        threading.Thread(target=self._run, name=self._check.name, daemon=True).start()
        while not self._ended.wait(self._check.patience_seconds):
            if not self._moved:
                self._found.append(
                    problem(
                        f"{self._doing}: nothing moved for {self._check.patience_seconds:g} s, so "
                        "it was given up.",
                        "Look after the disk or the server that does not answer.",
                    )
                )
                break
            self._moved = False
        self._facts.show = show
        return list(self._found)

    def _run(self) -> None:
        try:
            for finding in self._check.run(self._facts):
                self._found.append(finding)
                self._moved = True
        except AppError as error:
            self._found.append(from_error(error, "Look at the configuration."))
        except Exception as error:
            logger.debug("The check %s broke", self._check.name, exc_info=True)
            told = " ".join(str(error).split())
            self._found.append(
                problem(f"This check broke: {type(error).__name__}: {told}.", _REPORT)
            )
        finally:
            self._ended.set()
