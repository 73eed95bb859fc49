"""Single histories of the sync engine, each once a fault of it."""

import errno
import os
import time
from collections.abc import Iterator
from unittest import mock

import pytest

from core.errors import StoreError
from core.records import Place
from daemon.scanner import Scanner
from tests.faults.world import BAD, ROOT, WHOLE, World, fail


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    with mock.patch("daemon.row_writer.WRITE_ROWS", 64), mock.patch("daemon.ingest.LOOK_UP", 64):
        yield made
    made.close()


def fill(world: World, count: int) -> None:
    (world.tree / "a").mkdir()
    for n in range(count):
        (world.tree / f"a/{n}.jpg").write_bytes(b"%d" % n)
    (world.tree / "stays.jpg").write_bytes(b"stays")
    world.sync([WHOLE], settled=False)
    world.debouncer.due(world.now + 60)  # what was read too early is no matter here
    assert world.rows() == world.expected()


def test_a_folder_whose_old_name_is_looked_at_first_is_moved_not_lost(world: World) -> None:
    fill(world, 60)
    (world.tree / "a").rename(world.tree / "b")
    world.sync([Place(ROOT, "a")], settled=True)
    assert len(world.holds) == 60, "as far as anyone knows, they are lost"
    world.sync([Place(ROOT, "b")], settled=True)
    assert world.rows() == world.expected()
    assert len(world.holds) == 0
    assert max(world.embedder.counts.values()) == 1


def test_a_held_file_that_is_there_but_broken_can_be_approved(world: World) -> None:
    fill(world, 60)
    for n in range(60):
        (world.tree / f"a/{n}.jpg").write_bytes(BAD + b"%d" % n)
    world.sync([WHOLE], settled=False)
    assert len(world.holds) == 60
    world.sync(world.holds.approve(), settled=True)
    assert world.rows() == world.expected()


def test_files_that_rotate_keep_their_vectors(world: World) -> None:
    """Each takes the next one's name: every row is overwritten, by many batches."""
    fill(world, 300)
    for n in reversed(range(300)):
        (world.tree / f"a/{n}.jpg").rename(world.tree / f"a/{n + 1}.jpg")
    world.sync([WHOLE], settled=False)
    assert world.rows() == world.expected()
    assert max(world.embedder.counts.values()) == 1


def test_a_picture_overwritten_and_restored_is_not_embedded_again(world: World) -> None:
    fill(world, 1)
    file = world.tree / "a/0.jpg"
    before = file.read_bytes()
    file.write_bytes(b"other")
    world.sync([WHOLE], settled=False)
    file.write_bytes(before)
    world.sync([WHOLE], settled=False)
    assert world.rows() == world.expected()
    assert max(world.embedder.counts.values()) == 1


def test_a_change_nobody_told_of_is_drift(world: World) -> None:
    fill(world, 2)
    (world.tree / "a/new.jpg").write_bytes(b"new")
    (world.tree / "a/0.jpg").unlink()
    assert world.sync([WHOLE], settled=False).drift == 2
    assert world.sync([WHOLE], settled=False).drift == 0


def test_a_file_that_comes_back_in_the_middle_of_a_scan_stays(world: World) -> None:
    fill(world, 3)
    away, here = world.folder / "away.jpg", world.tree / "a/0.jpg"
    here.rename(away)
    (world.tree / "new.jpg").write_bytes(b"new")  # so that something is written in between
    world.urgent = lambda: (away.rename(here), None)
    world.sync([WHOLE], settled=False)
    assert world.deletions == []
    assert world.rows() == world.expected()


def test_a_root_that_is_not_there_loses_nothing_and_holds_nothing(world: World) -> None:
    fill(world, 3)
    world.unmount()
    report = world.sync([WHOLE, Place(ROOT, "a/0.jpg")], settled=False)
    assert "not the one that was indexed" in report.suspended[ROOT]
    assert (world.deletions, len(world.holds), len(world.rows())) == ([], 0, 4)
    world.remount()
    assert world.sync([WHOLE], settled=False).suspended == {}
    assert max(world.embedder.counts.values()) == 1


def test_a_move_writes_the_new_row_before_the_old_one_goes(world: World) -> None:
    fill(world, 3)
    (world.tree / "a/0.jpg").rename(world.tree / "a/9.jpg")
    world.sync([WHOLE], settled=False)
    assert world.calls[-2:] == ["upsert", "delete"]


def test_what_is_urgent_is_not_overwritten_by_the_scan_around_it(world: World) -> None:
    """The scan has read the old bytes of the last file when the new ones are written."""
    fill(world, 3)
    files = [world.tree / f"later/{n}.jpg" for n in range(200)]
    files[0].parent.mkdir()
    for n, file in enumerate(files):
        file.write_bytes(b"old %d" % n)

    def change() -> None:
        for n, file in enumerate(files):
            file.write_bytes(b"new %d" % n)
            world.changed(f"later/{n}.jpg")

    world.urgent = change
    world.sync([WHOLE], settled=False)
    assert world.rows() == world.expected()


@pytest.mark.slow
def test_files_moved_while_they_are_under_way_are_embedded_once(world: World) -> None:
    for n in range(400):
        (world.tree / f"{n:03}.jpg").write_bytes(b"%d" % n)

    def move() -> None:
        for n in range(400):
            (world.tree / f"{n:03}.jpg").rename(world.tree / f"moved-{n:03}.jpg")
            world.changed(f"{n:03}.jpg", f"moved-{n:03}.jpg")

    world.urgent = move
    world.sync([WHOLE], settled=False)
    world.sync([WHOLE], settled=False)
    assert world.rows() == world.expected()
    assert max(world.embedder.counts.values()) == 1


@pytest.mark.slow
def test_files_away_for_a_moment_while_they_are_under_way_are_embedded_once(world: World) -> None:
    """A disk unmounted and mounted again: what an urgent look did not see then has gone through the
    model already."""
    for n in range(400):
        (world.tree / f"{n:03}.jpg").write_bytes(b"%d" % n)

    def away() -> None:
        for n in range(400):
            (world.tree / f"{n:03}.jpg").rename(world.outside / f"{n:03}.jpg")
            world.changed(f"{n:03}.jpg")

    world.urgent = away
    world.sync([WHOLE], settled=False)
    for n in range(400):
        (world.outside / f"{n:03}.jpg").rename(world.tree / f"{n:03}.jpg")
    world.sync([WHOLE], settled=False)
    assert world.rows() == world.expected()
    assert max(world.embedder.counts.values()) == 1


def test_what_was_embedded_when_the_store_fails_is_not_embedded_again(world: World) -> None:
    for n in range(100):
        (world.tree / f"{n:03}.jpg").write_bytes(b"%d" % n)
    world.fault = (2, fail)
    with pytest.raises(StoreError):
        world.sync_service.sync([WHOLE], world.job(), settled=False)
    world.fault = None
    world.sync([WHOLE], settled=False)
    assert world.rows() == world.expected()
    assert max(world.embedder.counts.values()) == 1


def test_a_young_file_waits(world: World) -> None:
    (world.tree / "1.jpg").write_bytes(b"one")
    world.wall_offset_seconds = 0
    report = world.sync([WHOLE], settled=False)
    assert report.again == [Place(ROOT, "1.jpg")]
    assert world.rows() == {}


def test_a_file_from_the_future_does_not_wait_until_its_time_has_come(world: World) -> None:
    """Of a file server whose clock is an hour ahead: no file may look young for an hour."""
    (world.tree / "1.jpg").write_bytes(b"one")
    world.wall_offset_seconds = -3600
    report = world.sync([WHOLE], settled=False)
    assert report.again == []
    assert world.rows() == world.expected()


def test_an_older_file_over_one_from_the_future_is_noticed(world: World) -> None:
    file, year_ns = world.tree / "1.jpg", 365 * 86400 * 10**9
    file.write_bytes(b"one")
    os.utime(file, ns=(0, time.time_ns() + 10 * year_ns))
    time.sleep(0.05)  # else it is read too early, and read again whatever its times are
    world.sync([WHOLE], settled=False)
    assert world.rows() == world.expected()
    assert world.sync([WHOLE], settled=False).unchanged == 1
    file.write_bytes(b"two")
    os.utime(file, ns=(0, time.time_ns() - year_ns))
    world.sync([WHOLE], settled=False)
    assert world.rows() == world.expected()


def test_what_cannot_be_listed_is_not_gone(world: World) -> None:
    fill(world, 3)
    original = os.scandir

    def failing(path: object) -> object:
        if isinstance(path, bytes) and path.endswith(b"/a"):
            raise OSError(errno.EIO, "Input/output error")
        return original(path)  # type: ignore[call-overload]

    with (
        mock.patch("os.scandir", failing),
        mock.patch("daemon.deletions.Deletions._gone", lambda *_: True),
    ):
        report = world.sync([WHOLE], settled=False)
    assert report.failed == {Place(ROOT, "a"): "Input/output error"}
    assert len(world.rows()) == 4


def test_files_moved_out_and_back_later_are_not_embedded_again(world: World) -> None:
    fill(world, 20)
    (world.tree / "a").rename(world.outside / "a")
    world.sync([WHOLE], settled=False)
    assert world.rows().keys() == {Place(ROOT, "stays.jpg")}
    (world.outside / "a").rename(world.tree / "b")
    world.sync([WHOLE], settled=False)
    assert world.rows() == world.expected()
    assert max(world.embedder.counts.values()) == 1


def test_a_disk_that_is_away_for_a_moment_while_rows_are_about_to_go(world: World) -> None:
    """Its files were not there when they were looked for, and it is there again, and healthy, when
    they would be deleted: only the table of mounts knows."""
    fill(world, 3)
    (world.tree / "a/0.jpg").unlink()
    look = Scanner.is_absent

    def blink(scanner: Scanner, place: Place) -> bool:
        world.tree.rename(world.folder / "away")
        world.tree.mkdir()
        absent = look(scanner, place)
        world.tree.rmdir()
        (world.folder / "away").rename(world.tree)
        world.roots._generation += 1
        return absent

    with mock.patch.object(Scanner, "is_absent", blink):
        report = world.sync([WHOLE], settled=False)
    assert world.deletions == []
    assert report.suspended, "to be looked at again"
    world.sync([WHOLE], settled=False)
    assert world.rows() == world.expected()
