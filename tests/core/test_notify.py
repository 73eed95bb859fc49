import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.notify import Notifier
from core.pulse import Pulse
from core.service_manager import Manager
from core.stages import Stages
from core.state import Progress, RootStatus, Status
from core.summary import summary


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Systemd:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address.replace("@", "\0", 1))
        self.socket.settimeout(20)
        self.environ = {"NOTIFY_SOCKET": address}

    def hear(self) -> list[str]:
        return self.socket.recv(4096).decode().split("\n")


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    made = Systemd(str(tmp_path / "notify"))
    yield made
    made.socket.close()


def watched(systemd: Systemd, seconds: float) -> Manager:
    systemd.environ |= {"WATCHDOG_USEC": f"{seconds * 1e6:.0f}", "WATCHDOG_PID": str(os.getpid())}
    return Manager(systemd.environ)


def test_a_stage_counts_once_it_is_added_and_every_one_must_beat() -> None:
    clock = Clock()
    loop, socket_thread = Pulse(10, clock=clock), Pulse(3, clock=clock)
    stages = Stages()
    clock.now = 100
    stages.add("loop", loop)
    assert stages.problem is None
    stages.add("control socket", socket_thread)
    clock.now = 103
    assert stages.problem is None
    clock.now = 104
    assert stages.problem == "No sign of life from: control socket (for 4 s)."
    socket_thread.beat()
    assert stages.problem is None
    clock.now = 111
    assert stages.problem == ("No sign of life from: loop (for 11 s), control socket (for 7 s).")


def test_a_step_that_is_known_to_take_long_may() -> None:
    clock = Clock()
    loop = Pulse(10, clock=clock)
    stages = Stages()
    stages.add("loop", loop)
    with loop.allowing(1000):
        clock.now = 999
        assert stages.problem is None
        clock.now = 1001
        assert stages.problem
    assert stages.problem is None
    clock.now += 11
    assert stages.problem


def test_it_says_alive_only_while_every_stage_is(systemd: Systemd) -> None:
    clock = Clock()
    loop = Pulse(10, clock=clock)
    stages = Stages()
    stages.add("loop", loop)
    notifier = Notifier(stages, watched(systemd, 0.4))
    with notifier.telling(lambda: "watching"):
        assert systemd.hear() == ["EXTEND_TIMEOUT_USEC=30000000", "STATUS=watching"]
        notifier.ready()
        while (heard := systemd.hear()) != ["READY=1"]:  # a turn may come before
            assert heard == ["EXTEND_TIMEOUT_USEC=30000000"]
        assert systemd.hear() == ["WATCHDOG=1"]
        clock.now = 11
        while (heard := systemd.hear()) == ["WATCHDOG=1"]:
            pass
        assert heard == ["STATUS=No sign of life from: loop (for 11 s)."]
        systemd.socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            systemd.hear()
        systemd.socket.settimeout(20)
        loop.beat()
        assert systemd.hear() == ["WATCHDOG=1", "STATUS=watching"]
        notifier.stopping()
        while (heard := systemd.hear()) == ["WATCHDOG=1"]:
            pass
        assert heard == ["STOPPING=1", "STATUS=stopping"]


def test_a_mistake_in_the_status_is_no_reason_to_be_restarted(systemd: Systemd) -> None:
    notifier = Notifier(Stages(), watched(systemd, 0.4))
    with notifier.telling(lambda: str(1 // 0)):
        notifier.ready()
        while systemd.hear() != ["WATCHDOG=1"]:
            pass


def test_children_inherit_nothing_and_an_abstract_address_is_one() -> None:
    systemd = Systemd(f"@lookalike-{os.getpid()}-{time.monotonic_ns()}")
    manager = watched(systemd, 30)
    assert systemd.environ == {}
    assert manager.watchdog_seconds == 30
    manager.tell("STATUS=two\nlines")
    assert systemd.hear() == ["STATUS=two lines"]
    manager.close()
    manager.close()
    manager.tell("READY=1")
    systemd.socket.close()


def test_the_watchdog_of_another_process_is_not_ours(systemd: Systemd) -> None:
    systemd.environ |= {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}
    manager = Manager(systemd.environ)
    assert manager.watchdog_seconds is None
    manager.close()


def test_without_a_service_manager_nothing_happens(tmp_path: Path) -> None:
    for environ in ({}, {"NOTIFY_SOCKET": str(tmp_path / "nobody")}, {"NOTIFY_SOCKET": "vsock:2"}):
        notifier = Notifier(Stages(), Manager(environ))
        with notifier.telling(lambda: "fine"):
            notifier.ready()
            notifier.stopping()


def test_a_manager_that_does_not_listen_holds_nobody_up(systemd: Systemd) -> None:
    manager = Manager(systemd.environ)
    for _ in range(5000):  # more than its queue takes
        manager.tell("WATCHDOG=1")
    assert systemd.hear() == ["WATCHDOG=1"]
    manager.close()


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (
            Status("watching", {"a": RootStatus("watching")}, "m", "s", 2020),
            "watching: 2,020 pictures indexed",
        ),
        (
            Status(
                "scanning", {}, "m", "s", 5, 3, 2, 0, 60,
                progress=Progress(1200, 100_000, 45.2, 2186),
            ),
            "scanning: 5 pictures indexed, 1 % of 100,000 files, 45 a second, "
            "about 35 minutes left, "
            "3 waiting, 2 rejected, 60 deletions held back",
        ),
        (
            Status("suspended", {}, "m", "s", 0, problems=["The disk is away.", "Another."]),
            "suspended: 0 pictures indexed. The disk is away. (and 1 more, see lookalike status)",
        ),
    ],
)  # fmt: skip
def test_the_status_is_one_line(status: Status, line: str) -> None:
    assert summary(status) == line
