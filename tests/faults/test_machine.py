"""Whatever happens to files, events, disk, store, clock and process: the index ends up equal.

Hypothesis draws the histories. `make test` tries a few; `make faults` ten thousand.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from unittest import mock

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from core.errors import StoreError
from tests.faults.world import BAD, ROOT, WHOLE, Fault, Killed, World, fail, kill

ROUNDS = 12
"""Scans after which the index must be equal, once everything is healthy again."""
FILES = ["1.jpg", "2.JPG.jpg", "3.jpg", "a/1.jpg", "a/4.jpg", "a/b/1.jpg", "a/b/5.jpg", "c/6.jpg"]
FOLDERS = ["a", "a/b", "c", "d", "1.jpg"]
CONTENTS = [b"one", b"two", b"six", b"four", b"seventeen", BAD, BAD + b"!", b""]

files, folders = st.sampled_from(FILES), st.sampled_from(FOLDERS)
contents = st.sampled_from(CONTENTS)
FAULTS: dict[str, Callable[["World"], Fault]] = {
    "fail": lambda _: fail,
    "fail halfway": lambda _: partial(fail, after_half=True),
    "kill": lambda _: kill,
    "kill halfway": lambda _: partial(kill, after_half=True),
}


class Mirror(RuleBasedStateMachine):
    """One root, its index, and a hostile world."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.mistakes_cost = False
        """Whether a fault has happened since the last start: then work may be done twice."""

    # ---- what happens to files --------------------------------------------------------------

    def _change(self, act: Callable[[], object], *paths: str) -> None:
        if not self.world.mounted:
            return
        try:
            act()
        except OSError:
            return  # not possible at this moment
        self.world.changed(*paths)

    @rule(path=files, content=contents)
    def write(self, path: str, content: bytes) -> None:
        self._change(lambda: self._write(path, content), path)

    def _write(self, path: str, content: bytes) -> None:
        file = self.world.tree / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    @rule(path=files, content=contents)
    def replace(self, path: str, content: bytes) -> None:
        def act() -> None:
            self._write(path + ".tmp", content)
            (self.world.tree / (path + ".tmp")).replace(self.world.tree / path)

        self._change(act, path + ".tmp", path)

    @rule(path=files, to=files)
    def rename(self, path: str, to: str) -> None:
        tree = self.world.tree
        self._change(lambda: (tree / path).rename(tree / to), path, to)

    @rule(path=folders, to=folders)
    def move_folder(self, path: str, to: str) -> None:
        tree = self.world.tree
        self._change(lambda: (tree / path).rename(tree / to), path, to)

    @rule(path=folders)
    def move_out_or_in(self, path: str) -> None:
        inside = self.world.tree / path
        outside = self.world.outside / path.replace("/", "-")
        if outside.exists():
            inside, outside = outside, inside
        self._change(lambda: inside.rename(outside), path)

    @rule(path=files, to=files)
    def copy(self, path: str, to: str) -> None:
        tree = self.world.tree
        self._change(lambda: (tree / to).write_bytes((tree / path).read_bytes()), to)

    @rule(path=files)
    def delete(self, path: str) -> None:
        self._change((self.world.tree / path).unlink, path)

    @rule(path=folders)
    def delete_folder(self, path: str) -> None:
        self._change(lambda: shutil.rmtree(self.world.tree / path), path)

    @rule(path=files, to=files)
    def link(self, path: str, to: str) -> None:
        tree = self.world.tree
        self._change(lambda: (tree / to).symlink_to(tree / path), to)

    @rule(path=files, seconds=st.sampled_from([0, 10**9, 2 * 10**9]))
    def touch(self, path: str, seconds: int) -> None:
        self._change(lambda: os.utime(self.world.tree / path, (seconds, seconds)), path)

    # ---- what happens to events -------------------------------------------------------------

    @rule()
    def deliver(self) -> None:
        self.world.deliver()

    @precondition(lambda self: self.world.events)
    @rule(where=st.integers(0, 100))
    def lose_event(self, where: int) -> None:
        del self.world.events[where % len(self.world.events)]

    @precondition(lambda self: self.world.events)
    @rule(where=st.integers(0, 100))
    def double_event(self, where: int) -> None:
        self.world.events.insert(0, self.world.events[where % len(self.world.events)])

    @rule()
    def overflow(self) -> None:
        self.world.events.clear()
        self.world.debouncer.add_all(ROOT, self.world.now)

    # ---- what the daemon does ---------------------------------------------------------------

    def _sync(self, act: Callable[[], object]) -> None:
        try:
            act()
        except StoreError:
            pass
        except Killed:
            self.world.crash()

    @rule(seconds=st.sampled_from([0.1, 1.0, 40.0]))
    def drain(self, seconds: float) -> None:
        self.world.now += seconds
        due = self.world.debouncer.due(self.world.now)
        self._sync(lambda: self.world.sync(due, settled=True))

    @rule()
    def scan(self) -> None:
        self.world.now += 1000
        self._sync(lambda: self.world.sync([WHOLE], settled=False))

    @rule(path=files, to=files, content=contents)
    def scan_while_files_change(self, path: str, to: str, content: bytes) -> None:
        def act() -> None:
            self.rename(path, to)
            self.write(path, content)

        self.world.urgent = act
        self.scan()
        self.world.urgent = None

    @rule()
    def approve(self) -> None:
        self._sync(lambda: self.world.sync(self.world.holds.approve(), settled=True))

    # ---- what goes wrong --------------------------------------------------------------------

    @rule(calls=st.integers(0, 4), kind=st.sampled_from(sorted(FAULTS)))
    def arm_fault(self, calls: int, kind: str) -> None:
        self.world.fault = (calls, FAULTS[kind](self.world))

    @rule()
    def crash(self) -> None:
        self.world.crash()

    @rule()
    def lose_state(self) -> None:
        for name in ("held.json", "roots.json", "rejected.json", "embedded.json"):
            (self.world.state / name).unlink(missing_ok=True)
        self.world.crash()

    @rule()
    def unmount(self) -> None:
        self.world.unmount()

    @rule()
    def remount(self) -> None:
        self.world.remount()

    @rule(seconds=st.sampled_from([0.0, 60.0, 3600.0, -3600.0, -10 * 365 * 86400.0]))
    def step_clock(self, seconds: float) -> None:
        self.world.wall_offset_seconds = seconds

    # ---- what must hold ---------------------------------------------------------------------

    @invariant()
    def every_row_was_true_once(self) -> None:
        for place, row in self.world.store.stamps().items():
            assert row.digest in self.world.seen.get((place, row.stamp), ()), place

    @invariant()
    def nothing_is_embedded_twice(self) -> None:
        assert max(self.world.embedder.counts.values(), default=0) <= 1

    def teardown(self) -> None:
        world = self.world
        try:
            world.fault = None
            world.wall_offset_seconds = 60
            world.remount()
            for _ in range(ROUNDS):
                report = world.sync([WHOLE], settled=False)
                if report.suspended:  # its identity is lost, and too many files have changed
                    world.roots.adopt(ROOT)
                    continue
                world.sync(world.holds.approve(), settled=True)
                if report.found == len(report.racy):  # these are only looked at once more
                    break
                time.sleep(0.025)  # a file system's tick
            else:
                pytest.fail("it never comes to rest")
            assert world.rows() == world.expected()
            self.every_row_was_true_once()
            self.nothing_is_embedded_twice()
        finally:
            world.close()


@pytest.fixture(autouse=True)
def _small_batches() -> Iterator[None]:
    """So that a tree of eight files has several batches and pauses, and few deletions are many."""
    with (
        mock.patch("daemon.row_writer.WRITE_ROWS", 2),
        mock.patch("daemon.ingest.LOOK_UP", 2),
        mock.patch("daemon.deletions.DELETE_BATCH", 2),
        mock.patch("daemon.sync.PAUSE_SECONDS", 0),
        mock.patch("daemon.holds.NEVER_FEWER_THAN", 3),
    ):
        yield


def run(examples: int, steps: int) -> None:
    profile = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    run_machine(Mirror, settings=profile)


def test_histories() -> None:
    run(40, 30)


@pytest.mark.faults
@pytest.mark.timeout(7200)
def test_many_histories() -> None:
    run(10_000, 50)
