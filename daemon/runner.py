"""Runs the daemon as a process: signals, logging, exit code."""

import signal
from types import FrameType

from core.config import Config
from core.errors import AppError
from core.health import open_doors, tell
from core.keys import read_keys
from core.logs import announce, catch_everything, set_up_logging
from core.notify import Notifier
from core.stages import Stages
from daemon.progress import ProgressBar
from daemon.service import Daemon


class _StoppedEarlyError(Exception):
    """Breaks off the start, wherever it is: a download must not keep anybody waiting."""


def run(config: Config) -> int:
    """Until SIGTERM or SIGINT; returns the exit code."""
    set_up_logging(config.log)
    catch_everything()
    try:
        keys = read_keys()
        doors = open_doors(config.daemon.metrics, keys, "daemon.metrics")
        with ProgressBar() as bar:
            stages = Stages()
            notifier = Notifier(stages)
            daemon = Daemon(
                config,
                listener=bar if bar.visible else None,
                ready=notifier.ready,
                stages=stages,
            )

            def stop(_signal: int, _frame: FrameType | None) -> None:
                notifier.stopping()
                daemon.stop()
                if not daemon.started:
                    raise _StoppedEarlyError

            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, stop)
            with tell(doors, daemon.vitals(), keys), notifier.telling(daemon.summary):
                daemon.run()
    except _StoppedEarlyError:
        return 0
    except AppError as error:
        announce(str(error))
        return error.exit_code
    return 0
