"""The service manager's end of sd_notify. Where nobody listens, nothing else is different."""

import logging
import os
import socket
from collections.abc import MutableMapping

logger = logging.getLogger(__name__)


class Manager:
    """The service manager's end of NOTIFY_SOCKET. Children do not inherit it."""

    def __init__(self, environ: MutableMapping[str, str] = os.environ) -> None:
        address = environ.pop("NOTIFY_SOCKET", "")
        watchdog, pid = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
        self.watchdog_seconds: float | None = None
        """Silence for so long, and we are killed; None = nobody watches."""
        if watchdog.isdigit() and pid in ("", str(os.getpid())):
            self.watchdog_seconds = int(watchdog) / 1e6
        self._socket: socket.socket | None = None
        if address.startswith(("/", "@")):
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._address = address.replace("@", "\0", 1) if address[0] == "@" else address

    def tell(self, *lines: str) -> None:
        """Each is NAME=value. Never waits and never fails: a signal handler may call it."""
        if self._socket and lines:
            message = "\n".join(line.replace("\n", " ") for line in lines).encode()
            try:
                self._socket.sendto(message, socket.MSG_DONTWAIT, self._address)
            except OSError as error:
                logger.debug("The service manager cannot be told: %s", error)

    def close(self) -> None:
        """Idempotent."""
        if self._socket:
            self._socket.close()
            self._socket = None
