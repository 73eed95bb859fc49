"""A systemd of our own: process, mount and control groups apart, so that nobody else is touched.

Real units run in it under the real restrictions. What it sees of this machine is the machine, but
for /etc, /opt, /srv, /home, /root, /run, /tmp and /var, which are its own.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.wheel import install_wheel, site_packages

PROGRAM = Path("/lib/systemd/systemd")
LIBRARY = Path("/lib/systemd/system")
TARGETS = (
    "basic.target", "sysinit.target", "multi-user.target", "shutdown.target", "umount.target",
    "sockets.target", "timers.target", "paths.target", "slices.target", "local-fs.target",
    "swap.target", "network.target", "network-online.target", "remote-fs.target",
    "systemd-journald.service", "systemd-journald.socket",
)  # fmt: skip
"""No more of the machine's own units than a service may lean on."""
OPT = Path("/opt/lookalike")
PYTHON = OPT / ".venv/bin/python"
HIDDEN = ("opt", "srv", "home", "root", "run", "tmp", "var", "dev/shm")

BOOT = """
set -e
echo $$ > {group}/cgroup.procs
exec unshare --pid --fork --kill-child --mount-proc --mount --cgroup --ipc --uts \\
        --propagation private sh -ec '
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys
    mount --bind /dev/null /dev/kmsg
    mount --bind {folder} /mnt
    {held}
    cp -a /etc /mnt/etc && mount --bind /mnt/etc /etc
    rm -rf /etc/systemd/system && mkdir /etc/systemd/system
    mv /mnt/units /etc/systemd/tested
    for own in {hidden}; do mount -t tmpfs -o mode=755 tmpfs /$own; done
    chmod 1777 /tmp /dev/shm
    mkdir /var/lib /var/cache /var/log && mkdir -m 1777 /var/tmp && ln -s /run /var/run
    mkdir -p /run/systemd/unit-root
    {shown}
    mount --make-rshared /
    exec env -i container=lookalike PATH=/usr/sbin:/usr/bin:/sbin:/bin \\
        SYSTEMD_UNIT_PATH=/etc/systemd/system:/etc/systemd/tested \\
        {program} --system --unit=multi-user.target --log-target=journal --show-status=0
'
"""


class Systemd:
    """Lives between `with` and its end, and with it everything that it started."""

    def __init__(self, folder: Path, shown: dict[Path, Path]) -> None:
        """`shown`: folders of this machine, by the paths at which they are seen inside."""
        self.folder = folder
        self._libraries = {OPT / f"libraries/{n}": each for n, each in enumerate(site_packages())}
        self._shown = {Path(sys.base_prefix): Path(sys.base_prefix)} | self._libraries | shown

    def __enter__(self) -> "Systemd":
        groups = _control_groups()
        if not PROGRAM.exists() or os.geteuid() or not groups:
            pytest.skip("needs root, systemd, and control groups of the second version")
        self._group = groups / f"lookalike-{os.getpid()}-{time.monotonic_ns()}"
        self._group.mkdir()
        units = self.folder / "units"
        wanted = units / "sysinit.target.wants"
        wanted.mkdir(parents=True)
        for name in TARGETS:
            shutil.copy(LIBRARY / name, units)
        (wanted / "systemd-journald.service").symlink_to("../systemd-journald.service")
        places = list(enumerate(self._shown.items()))
        script = BOOT.format(
            group=self._group,
            folder=self.folder,
            program=PROGRAM,
            hidden=" ".join(HIDDEN),
            held="\n".join(
                f"mkdir /mnt/{n} && mount --bind {out} /mnt/{n}" for n, (_, out) in places
            ),
            shown="\n".join(
                f"mkdir -p {to} && mount --bind /mnt/{n} {to}" for n, (to, _) in places
            ),
        )
        self._holder = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "sh", "-c", script],  # nothing outlives the tests
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            self.wait(lambda: self._init() and self.path("/run/systemd/private").exists())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if init := self._init():
            os.kill(init, signal.SIGKILL)  # the kernel ends all that is inside
        self._holder.kill()
        self._holder.wait()
        assert self._holder.stderr is not None
        self._holder.stderr.close()
        for group in sorted(self._group.rglob("*"), reverse=True):
            if group.is_dir():
                self.wait(lambda group=group: _removed(group))
        self.wait(lambda: _removed(self._group))

    def _init(self) -> int | None:
        """The process id of systemd, once it is one."""
        holder = self._holder.pid  # unshare, whose child becomes systemd
        try:
            (pid,) = Path(f"/proc/{holder}/task/{holder}/children").read_text().split()
            return int(pid) if Path(f"/proc/{pid}/exe").readlink() == PROGRAM.resolve() else None
        except (OSError, ValueError):
            return None

    def path(self, inside: str | Path) -> Path:
        """Where this process sees what lies at the path inside."""
        return Path(f"/proc/{self._init()}/root") / Path(inside).relative_to("/")

    def run(
        self, *command: str | Path, check: bool = True, answer: str = "", user: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Inside, unrestricted; as root, unless another is named."""
        enter = ["nsenter", "-t", str(self._init()), "-a", "--wdns=/"]
        if user:
            enter += [
                "setpriv",
                f"--reuid={user}",
                f"--regid={user}",
                "--init-groups",
                "--reset-env",
            ]
        words = [*enter, *map(str, command)]
        return subprocess.run(
            words, capture_output=True, text=True, check=check, timeout=300, input=answer
        )

    def install(self, wheel: Path) -> None:
        """The program, where docs/operations.md has it; no service yet."""
        shutil.copy(wheel, self.path("/srv"))
        libraries = list(self._libraries)
        install_wheel(
            Path("/srv", wheel.name), PYTHON.parent.parent, libraries, self.run, self.path
        )

    def lookalike(
        self, *words: str | Path, check: bool = True, answer: str = "", user: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The command line."""
        program = PYTHON.with_name("lookalike")
        return self.run(program, *words, check=check, answer=answer, user=user)

    def systemctl(self, *arguments: str, check: bool = True) -> str:
        result = self.run("systemctl", "--no-pager", *arguments, check=check)
        return result.stdout + result.stderr

    def show(self, unit: str, what: str) -> str:
        return self.systemctl("show", "--value", "--property", what, unit).strip()

    def wait(self, condition: Callable[[], object], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"waited {seconds} s in vain\n{self.journal()}")
            time.sleep(0.05)

    def journal(self, *arguments: str) -> str:
        """What the services said, and what systemd said of them."""
        return self.run("journalctl", "--no-pager", "--output=cat", *arguments, check=False).stdout

    def drop_in(self, part: str, name: str, *lines: str) -> None:
        """More settings for the service of a part."""
        folder = f"/etc/systemd/system/lookalike-{part}.service.d"
        self.write(f"{folder}/{name}.conf", "\n".join(["[Service]", *lines, ""]))
        self.systemctl("daemon-reload")

    def write(self, inside: str, text: str, mode: int = 0o644) -> None:
        file = self.path(inside)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)


def _control_groups() -> Path | None:
    """Where control groups of version 2 are mounted."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, options, *_ = line.split()
        if kind == "cgroup2" and "rw" in options.split(","):
            return Path(place)
    return None


def _removed(group: Path) -> bool:
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
