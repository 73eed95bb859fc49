"""`python -m tests.faults.deviant`: the command line with faults built in, named by DEVIANT.

DEVIANT is JSON: `die` [label, "before" or "after", which call], `deaf` true, and `away`, `clock`,
`fell`, `slow`, `stuck`, each with a FILE. The product knows nothing of it.
"""

import functools
import importlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.project import TOP, Project

POINTS = {
    "catalogue": "core.stores.lance:LanceDatabase.write_catalogue",
    "thumbnails": "core.stores.lance_thumbnails:ThumbnailFolder.add",
    "rows": "core.stores.lance_rows:LanceStore.upsert",
    "rows, in the table": "core.stores.lance_rows:_merge",
    "deletion": "core.stores.lance_rows:LanceStore.delete",
    "deletion, in the table": "core.stores.lance_rows:_delete",
    "compaction": "core.stores.lance_upkeep:Upkeep._compact",
    "count of embedded": "daemon.counters:write_json",
    "holds": "daemon.holds:write_json",
    "roots": "daemon.roots:write_json",
    "rejections": "daemon.engine:write_rejections",
    "vectors of deleted rows": "daemon.recent:RecentlyDeleted.keep",
    "status": "daemon.board:write_status",
}
"""Where a daemon may be killed, by label: every write that outlives the process."""
SERVER_POINTS = {
    "catalogue on the server": "core.stores.weaviate:WeaviateDatabase.write_catalogue",
    "thumbnails on the server": "core.stores.weaviate_thumbnails:WeaviateThumbnails.add",
    "rows on the server": "core.stores.weaviate_rows:WeaviateStore.upsert",
    "deletion on the server": "core.stores.weaviate_rows:WeaviateStore.delete",
}
"""The same, where the index lies on a Weaviate server."""


def launch(
    project: Project, enter: Callable[..., list[str]] = lambda *command: [*command], **faults: Any
) -> None:
    """Start the project's daemon with these faults; does not wait. `enter` makes the command one
    that runs in a namespace."""
    command = project.command("daemon")
    command[command.index("cli")] = "tests.faults.deviant"
    command = enter(*command)
    environ = project.environ | {"DEVIANT": json.dumps(faults)}
    with (project.folder / "daemon.log").open("a") as log:
        project.daemon = subprocess.Popen(command, cwd=TOP, env=environ, stderr=log)


def _find(where: str) -> tuple[Any, str]:
    module, _, path = where.partition(":")
    *above, name = path.split(".")
    return functools.reduce(getattr, above, importlib.import_module(module)), name


def _wrap(where: str, wrapper: Callable[..., Any]) -> None:
    """`wrapper(original, *arguments)` takes the place of a function."""
    owner, name = _find(where)
    original = getattr(owner, name)
    setattr(owner, name, functools.wraps(original)(functools.partial(wrapper, original)))
    if isinstance(owner, type):  # a partial binds no self
        setattr(owner, name, lambda *a, **k: wrapper(original, *a, **k))


def die(label: str, when: str, call: int) -> None:
    """SIGKILL to ourselves before or after this call of the function behind the label."""
    left = [call]

    def deadly(original: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        left[0] -= 1
        if not left[0] and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*arguments, **named)
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    _wrap((POINTS | SERVER_POINTS)[label], deadly)
    if label == "compaction":  # else it is due after five minutes and 64 commits
        importlib.import_module("daemon.pace").MAINTAIN_SECONDS = 0.5  # type: ignore[attr-defined]
        importlib.import_module("core.stores.lance_upkeep")._COMMITS_WHEN_QUIET = 2  # type: ignore[attr-defined]


def deaf() -> None:
    """No event arrives, and no trouble either."""
    for name in ("hint", "trouble"):
        _wrap(f"daemon.hints:Hints.{name}", lambda *_, **__: None)


def away(flag: str) -> None:
    """The store fails for as long as the file `flag` exists: half of each batch is written."""
    from core.errors import StoreError

    def failing(original: Callable[..., Any], store: Any, *arguments: Any, **named: Any) -> Any:
        if Path(flag).exists():
            if original.__name__ == "upsert" and arguments[0]:
                original(store, arguments[0][: len(arguments[0]) // 2])
            raise StoreError("The store is away.")
        return original(store, *arguments, **named)

    for name in ("upsert", "delete", "stamps", "find_vectors", "locate", "count", "roots", "get"):
        _wrap(f"core.stores.lance_rows:LanceStore.{name}", failing)


LOOPS = {
    "reader of events": "daemon.root_keeper:RootKeeper.turn",
    "writer of the status": "daemon.board:Board._write",
    "listener for commands": "socket:socket.accept",
    "rows": "core.stores.lance_rows:LanceStore.upsert",
}
"""What a thread does again and again, by label."""


def fell(flag: str) -> None:
    """Once the file `flag` exists, the thread that its text names ends, without a word; the loop
    itself, which nobody could replace, meets an error that nobody has foreseen."""

    def falling(label: str, original: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        result = original(*arguments, **named)
        if Path(flag).exists() and Path(flag).read_text() == label:
            Path(flag).unlink()
            raise RuntimeError("felled") if label == "rows" else SystemExit
        return result

    for label, where in LOOPS.items():
        _wrap(where, functools.partial(falling, label))


def slow(flag: str) -> None:
    """For as long as the file `flag` exists, a write of rows does not return; it says so in it."""

    def waiting(original: Callable[..., Any], *arguments: Any) -> Any:
        while Path(flag).exists():
            with suppress(FileNotFoundError), Path(flag).open("r+") as file:
                file.write("waiting")
            time.sleep(0.05)
        return original(*arguments)

    _wrap("core.stores.lance_rows:LanceStore.upsert", waiting)


def stuck(flag: str) -> None:
    """For as long as the file `flag` exists, the reader of events hangs."""

    def hanging(original: Callable[..., Any], *arguments: Any) -> Any:
        while Path(flag).exists():
            time.sleep(0.05)
        return original(*arguments)

    _wrap("daemon.armed_root:ArmedRoot.turn", hanging)


def clock(file: str) -> None:
    """The file holds "OFFSET SPEED": seconds added to the system's clock, and how much faster the
    steady clock runs from when the file is there."""
    real_time, real_ns, real_steady = time.time, time.time_ns, time.monotonic
    born = real_steady()

    def settings() -> tuple[float, float]:
        try:
            offset, speed = Path(file).read_text().split()
            return float(offset), float(speed)
        except (OSError, ValueError):
            return 0.0, 1.0

    def steady() -> float:
        return born + (real_steady() - born) * speed

    _, speed = settings()
    time.time = lambda: real_time() + settings()[0]
    time.time_ns = lambda: real_ns() + int(settings()[0] * 1e9)
    time.monotonic = steady


def main() -> None:
    """Install the faults, then be the command line."""
    faults = json.loads(os.environ.pop("DEVIANT"))
    if "clock" in faults:
        clock(faults.pop("clock"))
    install: dict[str, Callable[[Any], None]] = {
        "die": lambda v: die(*v),
        "deaf": lambda _: deaf(),
        "away": away,
        "fell": fell,
        "slow": slow,
        "stuck": stuck,
    }
    for name, value in faults.items():
        install[name](value)
    from cli.main import main as command_line

    command_line()


if __name__ == "__main__":
    main()
