"""Single histories of the sync engine, each once a fault of it."""

from collections.abc import Iterator

import pytest

from core.records import Place
from tests.faults.world import BAD, ROOT, WHOLE, World


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.close()


def fill(world: World, count: int) -> None:
    (world.tree / "a").mkdir()
    for n in range(count):
        (world.tree / f"a/{n}.jpg").write_bytes(b"%d" % n)
    (world.tree / "stays.jpg").write_bytes(b"stays")
    world.sync([WHOLE], settled=False)
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
