"""How many folders the kernel will watch for us, against how many there are."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cli.doctor.facts import Facts
from cli.doctor.findings import Finding, note, ok, problem
from cli.doctor.quantities import count
from core.files import read_json

_INOTIFY = Path("/proc/sys/fs/inotify")
_OF_NAMESPACE = Path("/proc/sys/user")
_CROWDED = 0.8
_DEFAULT_QUEUE = 16_384


def check(facts: Facts) -> Iterator[Finding]:
    """Watches, instances, queue."""
    watches = _limit("max_user_watches", "max_inotify_watches")
    instances = _limit("max_user_instances", "max_inotify_instances")
    if watches is None or instances is None:
        yield ok("This system has no inotify; its own way to watch folders is used.")
        return
    roots = len(facts.config.roots)
    used_instances, used_watches = _in_use(_daemon(facts.config.state))
    needed = facts.folders + roots  # each root's watcher has a file of ours beside its folders
    yield _judge(count(needed, "watch", "watches"), needed, used_watches, watches, 524_288)
    yield _judge(count(roots, "instance"), roots, used_instances, instances, 512)
    queue = _number(_INOTIFY / "max_queued_events")
    if queue is not None and queue < _DEFAULT_QUEUE:
        yield note(
            f"The kernel keeps {queue:,} changes for us; with more at once everything is scanned.",
            _raise("fs.inotify.max_queued_events", _DEFAULT_QUEUE),
        )


def _judge(what: str, needed: int, used: int, limit: tuple[int, str], advised: int) -> Finding:
    allowed, setting = limit
    found = f"{what} of inotify needed, {used:,} used by other programs, {allowed:,} allowed"
    while advised < 2 * (needed + used):
        advised *= 2
    if needed + used > allowed:
        return problem(
            f"{found}: changes in the rest would be found by scans only.", _raise(setting, advised)
        )
    if needed + used > _CROWDED * allowed:
        return note(f"{found}: nearly all.", _raise(setting, advised))
    return ok(f"{found}.")


def _raise(setting: str, value: int) -> str:
    return (
        f"As root: echo {setting} = {value} >> /etc/sysctl.d/60-lookalike.conf && sysctl --system"
    )


def _limit(name: str, name_in_namespace: str) -> tuple[int, str] | None:
    """The lower of the machine's and, in a container, the namespace's own; and its name."""
    of_machine = _number(_INOTIFY / name)
    if of_machine is None:
        return None
    of_namespace = _number(_OF_NAMESPACE / name_in_namespace)
    if of_namespace is not None and of_namespace < of_machine:
        return of_namespace, f"user.{name_in_namespace}"
    return of_machine, f"fs.inotify.{name}"


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _daemon(state: Path) -> int | None:
    document = read_json(state / "daemon" / "status.json")
    return document.get("pid") if isinstance(document, dict) else None


def _in_use(ours: int | None) -> tuple[int, int]:
    """Instances and watches of this user's other programs, as far as we may see them."""
    instances = watches = 0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is not ours to look at
            if int(process.name) == ours or process.stat().st_uid != os.geteuid():
                continue
            for descriptor in (process / "fd").iterdir():
                with suppress(OSError):
                    if descriptor.readlink().name != "anon_inode:inotify":
                        continue
                    told = (process / "fdinfo" / descriptor.name).read_text(encoding="ascii")
                    instances += 1
                    watches += len(re.findall(r"^inotify wd:", told, re.MULTILINE))
    return instances, watches
