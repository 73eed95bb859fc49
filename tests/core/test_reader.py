import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from core.errors import ImageError
from core.reader import ChangingError, _read_all, read_content
from core.records import FileStamp, Place, file_stamp


def stamp(file: Path) -> FileStamp:
    return file_stamp(file.lstat())


def test_bytes_and_digest_of_a_quiet_file(tmp_path: Path) -> None:
    file = tmp_path / "a" / "1.jpg"
    file.parent.mkdir()
    file.write_bytes(b"x" * 100_000)
    content = read_content(tmp_path, Place("r", "a/1.jpg"), stamp(file), 1)
    assert content.data == b"x" * 100_000
    assert content.digest == hashlib.sha256(content.data).hexdigest()


def test_a_file_that_is_not_what_was_seen_is_tried_later(tmp_path: Path) -> None:
    file = tmp_path / "1.jpg"
    file.write_bytes(b"x")
    seen = stamp(file)
    file.write_bytes(b"xy")
    with pytest.raises(ChangingError):
        read_content(tmp_path, Place("r", "1.jpg"), seen, 1)


def _rewrite(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.write(b"B")


def _replace(file: Path) -> None:
    file.with_suffix(".new").write_bytes(b"B" * file.stat().st_size)
    file.with_suffix(".new").rename(file)


def _remove(file: Path) -> None:
    file.unlink()


@pytest.mark.parametrize("change", [_rewrite, _replace, _remove])
@pytest.mark.parametrize("when", ["before", "during"])
def test_a_change_of_equal_size_is_noticed(
    tmp_path: Path, change: Callable[[Path], None], when: str
) -> None:
    file = tmp_path / "1.jpg"
    file.write_bytes(b"A" * 100)
    seen = stamp(file)

    def read(descriptor: int, size_bytes: int) -> bytes:
        data = _read_all(descriptor, size_bytes)
        if when == "during":
            change(file)
        return data

    if when == "before":
        change(file)
    with (
        mock.patch("core.reader._read_all", read),
        pytest.raises((ChangingError, FileNotFoundError)),
    ):
        read_content(tmp_path, Place("r", "1.jpg"), seen, 1)


def test_a_file_read_right_after_it_was_written_is_racy(tmp_path: Path) -> None:
    file = tmp_path / "1.jpg"
    file.write_bytes(b"x")
    assert read_content(tmp_path, Place("r", "1.jpg"), stamp(file), 1).racy


def test_a_file_from_the_future_is_not_read_again_and_again(tmp_path: Path) -> None:
    """By the clock of a server that is ahead of ours, every file is younger than its reading."""
    file = tmp_path / "1.jpg"
    file.write_bytes(b"x")
    now_ns = time.time_ns()
    with mock.patch("time.time_ns", lambda: now_ns - 3600 * 10**9):
        assert not read_content(tmp_path, Place("r", "1.jpg"), stamp(file), 1).racy


def test_a_larger_file_than_allowed_is_rejected_unread(tmp_path: Path) -> None:
    file = tmp_path / "1.jpg"
    with file.open("wb") as stream:
        stream.truncate(3_000_000)
    with pytest.raises(ImageError, match=r"3 MB, more than images.max_megabytes = 2"):
        read_content(tmp_path, Place("r", "1.jpg"), stamp(file), 2)


def test_no_symlink_on_the_way_is_followed(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    root.mkdir()
    (outside / "secret.jpg").write_bytes(b"secret")
    (root / "link").symlink_to(outside)
    (root / "link.jpg").symlink_to(outside / "secret.jpg")
    for path in ("link/secret.jpg", "link.jpg"):
        with pytest.raises((ChangingError, NotADirectoryError)):
            read_content(root, Place("r", path), stamp(outside / "secret.jpg"), 1)


def test_a_fifo_in_its_place_does_not_hang(tmp_path: Path) -> None:
    file = tmp_path / "1.jpg"
    file.write_bytes(b"x")
    seen = stamp(file)
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(ChangingError):
        read_content(tmp_path, Place("r", "1.jpg"), seen, 1)
