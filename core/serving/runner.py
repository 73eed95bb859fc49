"""`lookalike model`: makes the socket, then becomes the doorkeeper."""

import json
import os
import signal
from dataclasses import asdict
from typing import NoReturn

from core.config import Config
from core.errors import AppError
from core.files import FileLock
from core.local_sockets import listen
from core.logs import set_up_logging
from core.programs import command_of
from core.serving import ServiceSettings, socket_file

SECOND_SERVICE = "Another model service (process {pid}) serves this state folder. Stop it first."


def run(config: Config) -> NoReturn:
    """Does not return, unless it cannot start."""
    set_up_logging(config.log)
    file = socket_file(config.state)
    lock = FileLock(file.parent / "lock", SECOND_SERVICE)
    lock.acquire()
    try:
        listener = listen(file)
    except OSError as error:
        raise AppError(
            f"{file.parent} cannot hold a socket: {error.strerror or error}. "
            "Check the folder's owner, its permissions and the free space."
        ) from None
    settings = ServiceSettings(
        str(file),
        listener.fileno(),
        config.model.unload_minutes * 60,
        config.log.level,
        config.log.format,
    )
    os.set_inheritable(listener.fileno(), True)  # noqa: FBT003 - os's signature
    lock.keep()
    # Until the doorkeeper can take them: it must not leave its socket behind.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    # What was imported to read the configuration, some 20 MB, is left behind.
    command = [*command_of("core.serving.door"), json.dumps(asdict(settings))]
    os.execv(command[0], command)
