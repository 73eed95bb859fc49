"""What a person orders of the writer, be it a running daemon or the command line itself."""

from collections.abc import Callable
from pathlib import Path

from core.errors import AppError, UsageError
from core.paths import path_text
from core.records import Place
from core.state import Progress
from daemon import orders
from daemon.control import Document, Request
from daemon.engine import Engine
from daemon.sync import SyncReport
from daemon.to_the_end import sync_to_the_end

Tell = Callable[[Document], None]


def execute(engine: Engine, command: str, arguments: Document, tell: Tell) -> Document:
    """Do it, and say how it went. AppError says why not."""

    def listener(progress: Progress) -> None:
        tell(
            {
                "done": progress.done,
                "total": progress.total,
                "per_second": progress.per_second,
                "seconds_left": progress.seconds_left,
            }
        )

    match command, arguments:
        case "sync", {"paths": list(paths)}:
            places = [engine_place(engine, Path(path)) for path in paths] or engine.everything
            return _document(sync_to_the_end(engine, places, listener))
        case "approve", _:
            return _document(orders.approve(engine))
        case "adopt", {"root": str(root)}:
            orders.adopt(engine, root)
            return _document(sync_to_the_end(engine, [Place(root, "")], listener))
        case "forget", {"root": str(root)}:
            return {"forgotten": orders.forget(engine, root)}
        case "forget", {"all": True}:
            return {"forgotten": orders.forget(engine, None)}
    raise UsageError(f"The daemon knows no command '{command}' with these arguments.")


def carry_out(engine: Engine, request: Request) -> None:
    """The same for a client of a running daemon."""
    try:
        request.finish(execute(engine, request.command, request.arguments, request.tell))
    except AppError as error:
        request.fail(error)
    except BaseException:
        request.fail(AppError("It failed unexpectedly; the daemon's log says more."))
        raise


def engine_place(engine: Engine, path: Path) -> Place:
    """The place of an absolute path; UsageError if it lies below no root."""
    for root, folder in engine.config.roots.items():
        for spelling in (folder, folder.resolve()):
            if path == spelling or spelling in path.parents:
                relative = path.relative_to(spelling)
                return Place(root, "" if relative == Path() else path_text(str(relative)))
    folders = ", ".join(str(folder) for folder in engine.config.roots.values())
    raise UsageError(f"{path} lies below no root; the roots are {folders}.")


def _document(report: SyncReport) -> Document:
    return {
        "written": report.written,
        "embedded": report.embedded,
        "deleted": report.deleted,
        "unchanged": report.unchanged,
        "failed": [[*place, reason] for place, reason in sorted(report.failed.items())]
        + [[*place, "is still being written"] for place in sorted(report.again)],
        "suspended": report.suspended,
        "stopped": report.stopped,
    }
