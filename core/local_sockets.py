"""Unix sockets at paths of any length, for the processes of one user."""

import contextlib
import os
import socket
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

_LONGEST_ADDRESS = 100  # bytes; the kernel takes 107
_CREDENTIALS = struct.Struct("3i")


def listen(file: Path) -> socket.socket:
    """A socket that only our user can reach; one that lies there already is taken for dead."""
    hidden = file.with_name(f".{file.name}")
    hidden.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short(hidden) as address:
            listener.bind(address)
        hidden.chmod(0o600)  # nobody can connect before listen()
        listener.listen()
        hidden.replace(file)  # where there is a file, somebody listens
    except BaseException:
        listener.close()
        raise
    return listener


def connect(file: Path) -> socket.socket:
    """FileNotFoundError or ConnectionRefusedError where nobody listens, else OSError."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short(file) as address:
            connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


def is_ours(connection: socket.socket) -> bool:
    """Whether our user, or root, is at the other end, as far as the system can tell."""
    if not hasattr(socket, "SO_PEERCRED"):  # macOS: the file's mode has to do
        return True
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(told)
    return user in (0, os.geteuid())


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """The socket's address, through a link where the path is too long for the kernel."""
    if len(os.fsencode(path)) <= _LONGEST_ADDRESS:
        yield str(path)
        return
    with tempfile.TemporaryDirectory(prefix="lookalike-") as folder:
        link = Path(folder) / "s"
        link.symlink_to(path.parent.absolute(), target_is_directory=True)
        yield str(link / path.name)
