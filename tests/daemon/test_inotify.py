import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("inotify is Linux's", allow_module_level=True)

from daemon.inotify import (
    IN_CLOSE_WRITE,
    IN_CREATE,
    IN_IGNORED,
    IN_ISDIR,
    IN_MODIFY,
    IN_MOVED_FROM,
    IN_MOVED_TO,
    Inotify,
)
from daemon.watched_tree import WatchedTree


@pytest.fixture
def inotify() -> Iterator[Inotify]:
    inotify = Inotify()
    yield inotify
    inotify.close()


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[WatchedTree]:
    tree = WatchedTree(os.fsencode(tmp_path), lambda path: path.endswith(b"ignored"))
    yield tree
    tree.close()


def visit_all(tree: WatchedTree, top: bytes = b"") -> None:
    todo = [top]
    while todo:
        todo += tree.visit(todo.pop())


def test_records_carry_names_as_bytes(inotify: Inotify, tmp_path: Path) -> None:
    wd = inotify.add(os.fsencode(tmp_path))
    assert inotify.read() == []
    (tmp_path / os.fsdecode(b"caf\xe9 \n.jpg")).write_bytes(b"x")
    (tmp_path / ("n" * 255)).mkdir()
    assert inotify.read() == [
        (wd, IN_CREATE, b"caf\xe9 \n.jpg"),
        (wd, IN_MODIFY, b"caf\xe9 \n.jpg"),
        (wd, IN_CLOSE_WRITE, b"caf\xe9 \n.jpg"),
        (wd, IN_CREATE | IN_ISDIR, b"n" * 255),
    ]


def test_reading_a_file_makes_no_record(inotify: Inotify, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    inotify.add(os.fsencode(tmp_path))
    (tmp_path / "a").read_bytes()
    list(tmp_path.iterdir())
    assert inotify.read() == []


def test_a_link_to_a_folder_is_not_watched(inotify: Inotify, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    with pytest.raises(NotADirectoryError):
        inotify.add(os.fsencode(tmp_path / "link"))


def test_a_missing_folder_is_an_os_error(inotify: Inotify) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        inotify.add(b"/no/such/folder")
    assert caught.value.errno == errno.ENOENT
    inotify.remove(4711)  # unknown watches are no error


def test_a_removed_watch_says_ignored(inotify: Inotify, tmp_path: Path) -> None:
    wd = inotify.add(os.fsencode(tmp_path))
    inotify.remove(wd)
    assert inotify.read() == [(wd, IN_IGNORED, b"")]


def test_a_visit_watches_every_folder_but_ignored_ones(tree: WatchedTree, tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/ignored/c").mkdir(parents=True)
    (tmp_path / "link").symlink_to("a")
    visit_all(tree)
    assert len(tree) == 3
    assert tree.watches(b"a/b")
    assert not tree.watches(b"a/ignored")
    assert not tree.watches(b"link")
    visit_all(tree)  # again: nothing changes
    assert len(tree) == 3


def test_a_renamed_folder_has_only_its_new_name(tree: WatchedTree, tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    visit_all(tree)
    (tmp_path / "a").rename(tmp_path / "z")
    visit_all(tree, b"z")  # the kernel answers with the descriptor that "a" has
    assert tree.watches(b"z/b")
    assert not tree.watches(b"a")
    assert len(tree) == 3
    tree.read()
    (tmp_path / "z/b/x").touch()
    assert {tree.path_of(record.wd) for record in tree.read()} == {b"z/b"}


def test_a_visit_gives_up_what_is_gone(tree: WatchedTree, tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    visit_all(tree)
    outside = tmp_path.parent / "outside"
    (tmp_path / "a").rename(outside)
    visit_all(tree)
    assert len(tree) == 1
    tree.read()
    (outside / "b/x").touch()
    assert tree.read() == []


def test_two_folders_that_change_names_are_told_apart(tree: WatchedTree, tmp_path: Path) -> None:
    for name in ("a/1", "b/2"):
        (tmp_path / name).mkdir(parents=True)
    visit_all(tree)
    (tmp_path / "a").rename(tmp_path / "t")
    (tmp_path / "b").rename(tmp_path / "a")
    (tmp_path / "t").rename(tmp_path / "b")
    visit_all(tree)
    assert len(tree) == 5
    assert tree.watches(b"b/1")
    assert tree.watches(b"a/2")
    tree.read()
    (tmp_path / "a/x").touch()
    assert {tree.path_of(record.wd) for record in tree.read()} == {b"a"}


def test_a_link_in_place_of_a_folder_leads_nowhere(tree: WatchedTree, tmp_path: Path) -> None:
    (tmp_path / "a/sub").mkdir(parents=True)
    outside = tmp_path.parent / "elsewhere"
    (outside / "sub").mkdir(parents=True)
    todo = tree.visit(b"")
    assert todo == [b"a"]
    todo = tree.visit(b"a")
    (tmp_path / "a").rename(tmp_path.parent / "moved")
    (tmp_path / "a").symlink_to(outside)
    tree.drop(b"a")  # what the record of the move brings about
    assert [tree.visit(path) for path in todo] == [[]]
    assert len(tree) == 1


def test_a_missing_top_is_an_error_and_any_other_missing_folder_is_none(tmp_path: Path) -> None:
    tree = WatchedTree(os.fsencode(tmp_path / "missing"), lambda _: False)
    with pytest.raises(FileNotFoundError):
        tree.visit(b"")
    tree.close()
    tree = WatchedTree(os.fsencode(tmp_path), lambda _: False)
    tree.visit(b"")
    assert tree.visit(b"missing") == []
    assert tree.path_of(4711) is None
    tree.close()


def test_moving_a_folder_is_two_records(inotify: Inotify, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    wd = inotify.add(os.fsencode(tmp_path))
    (tmp_path / "a").rename(tmp_path / "b")
    assert inotify.read() == [
        (wd, IN_MOVED_FROM | IN_ISDIR, b"a"),
        (wd, IN_MOVED_TO | IN_ISDIR, b"b"),
    ]
