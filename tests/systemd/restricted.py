"""Runs a command under a unit's restrictions: python -m tests.systemd.restricted UNIT -- COMMAND.

It becomes the command, so that its process id, signals and exit code are the command's. The
user of the unit is one of a new user namespace, which owns what the caller owns outside.
"""

import argparse
import ctypes
import os
import resource
import sys
from pathlib import Path

from tests.systemd.filters import prepare
from tests.systemd.unit import Unit

LIBC = ctypes.CDLL(None, use_errno=True)
NEW_MOUNTS, NEW_NAMES, NEW_USER = 0x20000, 0x4000000, 0x10000000
BIND, RECURSIVE, SLAVE, NO_SUID = 0x1000, 0x4000, 0x80000, 0x2
READ_ONLY, MOUNT_SETATTR, AT_RECURSIVE, AT_FDCWD = 0x1, 442, 0x8000, -100
KEYCTL, JOIN_SESSION_KEYRING = {"x86_64": 250, "aarch64": 219}, 1
BOUNDING_DROP, NO_NEW_PRIVILEGES, AMBIENT, AMBIENT_CLEAR = 24, 38, 47, 4
CAPABILITIES_3 = 0x20080522
SERVICE_USER = 977
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
TUNABLES = ("sys", "sysrq-trigger", "bus", "fs", "irq", "acpi", "mtrr", "asound")


def call(name: str, *arguments: object) -> None:
    if getattr(LIBC, name)(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}{arguments}: {os.strerror(number)}")


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    encoded = (source.encode(), target.encode(), kind.encode(), flags, data.encode())
    call("mount", *encoded)


def bind(source: str, target: str) -> None:
    mount(source, target, "", BIND | RECURSIVE)


def read_only(path: str, *, wanted: bool, recursive: bool = True) -> None:
    """Of the mount at the path, and of those below it."""
    attributes = (ctypes.c_uint64 * 4)(*((READ_ONLY, 0) if wanted else (0, READ_ONLY)), 0, 0)
    flags = AT_RECURSIVE if recursive else 0
    call("syscall", MOUNT_SETATTR, AT_FDCWD, path.encode(), flags, ctypes.byref(attributes), 32)


class Held:
    """Folders and devices that are seen again after something was mounted over them."""

    def __init__(self, paths: list[str]) -> None:
        self._open = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in paths}

    def show(self) -> None:
        for path, number in self._open.items():
            target = Path(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            if Path(f"/proc/self/fd/{number}").is_dir():
                target.mkdir(exist_ok=True)
            else:
                target.touch()
            bind(f"/proc/self/fd/{number}", path)
            os.close(number)


def own_namespaces(unit: Unit) -> None:
    user, group = os.getuid(), os.getgid()
    inside = SERVICE_USER if unit.last("User") else 0
    call("unshare", NEW_USER | NEW_MOUNTS | (NEW_NAMES if unit.yes("ProtectHostname") else 0))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{inside} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{inside} {group} 1")
    mount("", "/", "", SLAVE | RECURSIVE)


def arrange_files(unit: Unit, shown: list[str]) -> None:
    """ProtectSystem=, PrivateTmp= and what else is about mounts."""
    writable = unit.writable()
    if unit.yes("PrivateTmp"):
        held = Held([p for p in shown if p.startswith(("/tmp/", "/var/tmp/"))])
        for folder in ("/tmp", "/var/tmp"):
            mount("tmpfs", folder, "tmpfs", NO_SUID, "mode=1777")
        held.show()
    if unit.yes("PrivateDevices"):
        held = Held([f"/dev/{name}" for name in (*DEVICES, "shm") if Path("/dev", name).exists()])
        mount("tmpfs", "/dev", "tmpfs", NO_SUID, "mode=755")
        held.show()
        for number, name in enumerate(("stdin", "stdout", "stderr")):
            Path("/dev", name).symlink_to(f"/proc/self/fd/{number}")
        Path("/dev/fd").symlink_to("/proc/self/fd")
    for path in writable:
        bind(path, path)
    if unit.last("ProtectSystem") == "strict":
        read_only("/", wanted=True)
        for path in ("/proc", "/dev", *writable):
            read_only(path, wanted=False)
        if unit.yes("PrivateTmp"):
            for path in ("/tmp", "/var/tmp"):
                read_only(path, wanted=False, recursive=False)
        if unit.yes("PrivateDevices"):
            read_only("/dev", wanted=True, recursive=False)
    if unit.yes("ProtectKernelTunables"):
        for path in (f"/proc/{name}" for name in TUNABLES):
            if Path(path).exists():
                bind(path, path)
                read_only(path, wanted=True)
    if unit.yes("ProtectKernelLogs"):
        bind("/dev/null", "/proc/kmsg")


def limit(unit: Unit) -> None:
    """Not above what this machine lets the caller have: a service manager could raise that."""
    if files := unit.last("LimitNOFILE"):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = min(int(files), most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
    if mask := unit.last("UMask"):
        os.umask(int(mask, 8))


def give_up_rights(unit: Unit) -> None:
    if unit.last("KeyringMode") == "private":
        call("syscall", KEYCTL[os.uname().machine], JOIN_SESSION_KEYRING, None)
    if unit.yes("NoNewPrivileges"):
        call("prctl", NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    if unit.all("CapabilityBoundingSet") == [""]:
        last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
        for capability in range(last + 1):
            call("prctl", BOUNDING_DROP, capability, 0, 0, 0)
        call("prctl", AMBIENT, AMBIENT_CLEAR, 0, 0, 0)
        header, none = (ctypes.c_uint32 * 2)(CAPABILITIES_3, 0), (ctypes.c_uint32 * 6)()
        call("capset", ctypes.byref(header), ctypes.byref(none))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("unit", type=Path)
    parser.add_argument("--at", action="append", default=[], help="THEIRS=OURS, a folder")
    parser.add_argument("--show", action="append", default=[], help="seen despite PrivateTmp=")
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()
    unit = Unit(given.unit, dict(place.split("=", 1) for place in given.at))
    if missing := unit.not_applied():
        sys.stderr.write(f"{unit.name}: not applied here: {', '.join(missing)}.\n")
    here = Path.cwd()
    filters = prepare(unit)
    limit(unit)
    own_namespaces(unit)
    arrange_files(unit, [*given.show, str(here), sys.prefix])
    os.chdir(here)
    environ = dict(os.environ)
    for line in unit.all("Environment"):
        name, _, value = line.partition("=")
        environ[name] = value
    if user := unit.last("User"):
        environ |= {"USER": user, "LOGNAME": user, "HOME": "/nonexistent"}
    give_up_rights(unit)
    for each in filters:
        each.load()
    os.execvpe(given.command[0], given.command, environ)


if __name__ == "__main__":
    main()
