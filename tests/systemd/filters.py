"""The seccomp programs that systemd makes of a unit's lines, through the library it takes."""

import ctypes
import errno
import mmap
import os
import socket

from tests.systemd.unit import Unit, call_groups, names

LIBRARY = "libseccomp.so.2"
ALLOW = 0x7FFF0000
SHM_EXEC = 0o100000
EQ, GT, NE, MASKED = 4, 6, 1, 7
NAMESPACES = (0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)
MODES = {
    "chmod": 1, "fchmod": 1, "fchmodat": 2, "mkdir": 1, "mkdirat": 2, "mknod": 1, "mknodat": 2,
    "creat": 1,
}  # fmt: skip
"""The argument that is a mode; open and openat have it where they create."""
REFUSED = {
    "ProtectClock": ["@clock"],
    "ProtectKernelModules": ["@module"],
    "ProtectKernelLogs": ["syslog"],
    "ProtectHostname": ["sethostname", "setdomainname"],
    "PrivateDevices": ["@raw-io"],
}
"""What these lines refuse beside what they do to files."""


class Comparison(ctypes.Structure):
    _fields_ = [
        ("argument", ctypes.c_uint),
        ("operation", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    ]


class Filter:
    """One program: an action for some calls, another for the rest."""

    def __init__(self, default: int = ALLOW) -> None:
        self._library = ctypes.CDLL(LIBRARY)
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.seccomp_init(ctypes.c_uint32(default)))

    def add(self, action: int, call: str, *comparisons: tuple[int, ...]) -> None:
        number = self._library.seccomp_syscall_resolve_name(call.encode())
        if number < 0:  # of another architecture
            return
        array = (Comparison * len(comparisons))(*(Comparison(*each) for each in comparisons))
        self._check(
            self._library.seccomp_rule_add_array(
                self._context, ctypes.c_uint32(action), number, len(comparisons), array
            )
        )

    def load(self) -> None:
        self._check(self._library.seccomp_load(self._context))

    def _check(self, code: int) -> None:
        if code:
            raise OSError(-code, f"{LIBRARY}: {os.strerror(-code)}")


def refuse(number: int) -> int:
    return 0x50000 | number


def prepare(unit: Unit) -> list[Filter]:
    """All of the unit's filters; the one that may refuse the loading of others comes last."""
    made = []
    no = refuse(errno.EPERM)
    if families := unit.last("RestrictAddressFamilies").split():
        made.append(_families({getattr(socket, family) for family in families}))
    if unit.yes("RestrictNamespaces"):
        made.append(_namespaces())
    if unit.yes("RestrictSUIDSGID"):
        made.append(_modes())
    if unit.yes("MemoryDenyWriteExecute"):
        made.append(_no_new_code())
    if unit.yes("RestrictRealtime"):
        realtime = Filter()
        for policy in (os.SCHED_FIFO, os.SCHED_RR):
            realtime.add(no, "sched_setscheduler", (1, EQ, policy))
        realtime.add(no, "sched_setscheduler", (1, GT, os.SCHED_IDLE))
        made.append(realtime)
    if unit.yes("LockPersonality"):
        personality = Filter()
        personality.add(no, "personality", (0, NE, 0))
        made.append(personality)
    if refused := [words for key, words in REFUSED.items() if unit.yes(key)]:
        groups, rest = call_groups(), Filter()
        for name in names(groups, [word for words in refused for word in words]):
            rest.add(no, name)
        made.append(rest)
    if allowed := unit.calls():
        number = getattr(errno, unit.last("SystemCallErrorNumber"))
        calls = Filter(refuse(number))  # systemd: ENOSYS for a call newer than itself
        for name in sorted(allowed):
            calls.add(ALLOW, name)
        made.append(calls)
    return made


def _families(allowed: set[int]) -> Filter:
    made = Filter()
    action = refuse(errno.EAFNOSUPPORT)
    for family in range(max(allowed)):
        if family not in allowed:
            made.add(action, "socket", (0, EQ, family))
    made.add(action, "socket", (0, GT, max(allowed)))
    return made


def _namespaces() -> Filter:
    made = Filter()
    made.add(refuse(errno.ENOSYS), "clone3")  # its flags are out of a filter's sight
    made.add(refuse(errno.EPERM), "setns")
    for flag in NAMESPACES:
        made.add(refuse(errno.EPERM), "unshare", (0, MASKED, flag, flag))
        made.add(refuse(errno.EPERM), "clone", (0, MASKED, flag, flag))
    return made


def _modes() -> Filter:
    made = Filter()
    made.add(refuse(errno.ENOSYS), "openat2")
    for bit in (0o4000, 0o2000):
        for call, argument in MODES.items():
            made.add(refuse(errno.EPERM), call, (argument, MASKED, bit, bit))
        for call, flags in (("open", 1), ("openat", 2)):
            creates = (flags, MASKED, os.O_CREAT, os.O_CREAT)
            made.add(refuse(errno.EPERM), call, creates, (flags + 1, MASKED, bit, bit))
    return made


def _no_new_code() -> Filter:
    made = Filter()
    both = mmap.PROT_WRITE | mmap.PROT_EXEC
    made.add(refuse(errno.EPERM), "mmap", (2, MASKED, both, both))
    for call in ("mprotect", "pkey_mprotect"):
        made.add(refuse(errno.EPERM), call, (2, MASKED, mmap.PROT_EXEC, mmap.PROT_EXEC))
    made.add(refuse(errno.EPERM), "shmat", (2, MASKED, SHM_EXEC, SHM_EXEC))
    return made
