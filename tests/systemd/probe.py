"""What a process may do where it runs: tries each thing, and prints as JSON what came of it.

python -m tests.systemd.probe NAME=FOLDER…: each folder is tried for writing.
"""

import errno
import json
import os
import resource
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from tests.systemd.restricted import NEW_MOUNTS, NEW_USER, call, mount

ETHERNET = 17  # AF_PACKET


def outcome(attempt: Callable[[], object]) -> str:
    """'done', or the name of the error."""
    try:
        attempt()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "done"


def write(folder: str) -> None:
    file = Path(folder, "probe")
    file.write_bytes(b"")
    file.unlink()


def set_user_id(folder: str) -> None:
    """Of a file in a folder that may be written."""
    file = Path(folder, "probe-suid")
    file.write_bytes(b"")
    try:
        file.chmod(0o4755)
    finally:
        file.unlink()


def open_socket(family: int, kind: int = socket.SOCK_DGRAM) -> None:
    socket.socket(family, kind).close()


def attempts(folders: dict[str, str]) -> dict[str, Callable[[], object]]:
    def writing(folder: str) -> Callable[[], None]:
        return lambda: write(folder)

    return {
        **{f"write {name}": writing(folder) for name, folder in folders.items()},
        "write /tmp": lambda: write("/tmp"),
        "make set-user-id": lambda: set_user_id("/tmp"),
        "socket AF_UNIX": lambda: open_socket(socket.AF_UNIX),
        "socket AF_INET": lambda: open_socket(socket.AF_INET),
        "socket AF_NETLINK": lambda: open_socket(socket.AF_NETLINK, socket.SOCK_RAW),
        "socket AF_PACKET": lambda: open_socket(ETHERNET, socket.SOCK_RAW),
        "socket AF_VSOCK": lambda: open_socket(socket.AF_VSOCK, socket.SOCK_STREAM),
        "personality": lambda: call("personality", 0x0040000),  # ADDR_NO_RANDOMIZE
        "host name": lambda: socket.sethostname("probe"),
        "real time": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
        "kernel log": lambda: call("klogctl", 10, None, 0),
        "tunable": lambda: Path("/proc/sys/kernel/core_pattern").open("a").close(),
        "trace": lambda: call("ptrace", 0, 0, None, None),
        "mount": lambda: mount("tmpfs", "/var/tmp", "tmpfs", 0),
        "new mounts": lambda: call("unshare", NEW_MOUNTS),
        "new users": lambda: call("unshare", NEW_USER),  # needs no right
        "chroot": lambda: os.chroot("/"),
    }


def state() -> dict[str, object]:
    """What holds without a try."""
    status = Path("/proc/self/status").read_text()
    lines = (line.split(":\t") for line in status.splitlines() if ":\t" in line)
    wanted = ("CapEff", "CapPrm", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")
    mask = os.umask(0)
    os.umask(mask)
    return {name: value for name, value in lines if name in wanted} | {
        "umask": f"{mask:04o}",
        "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "user": os.getuid(),
        "devices": sorted(path.name for path in Path("/dev").iterdir()),
        "tmp": sorted(path.name for path in Path("/tmp").iterdir()),
    }


def main() -> None:
    folders = dict(word.split("=", 1) for word in sys.argv[1:])
    found = state()  # first: the tries change it
    found |= {name: outcome(attempt) for name, attempt in attempts(folders).items()}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
