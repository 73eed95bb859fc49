"""Only the file that was indexed is ever handed out."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from core.config import Config
from core.originals import OriginalAway, read_original
from core.records import ImageRecord, Place, file_stamp
from tests.pictures import write


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "root/a/1.jpg", 1)


def record_of(file: Path) -> ImageRecord:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return ImageRecord(Place("r", "a/1.jpg"), file_stamp(file.lstat()), digest, np.ones(1))


def config_of(file: Path) -> Config:
    return Config(roots={"r": file.parent.parent})


def test_it_is_what_was_indexed(file: Path) -> None:
    assert read_original(config_of(file), record_of(file)) == file.read_bytes()


def test_a_file_that_was_only_touched_is_still_the_same(file: Path) -> None:
    config, record = config_of(file), record_of(file)
    file.rename(file.with_name("2.jpg")).rename(file)
    os.utime(file)
    assert read_original(config, record) == file.read_bytes()


def test_a_link_in_its_place_is_not_followed(file: Path) -> None:
    config, record = config_of(file), record_of(file)
    outside = file.parent.parent.parent / "outside.jpg"
    file.rename(outside)
    file.symlink_to(outside)
    with pytest.raises(OriginalAway):
        read_original(config, record)
    file.unlink()
    file.parent.rmdir()
    outside.parent.joinpath("elsewhere").mkdir()
    outside.rename(outside.parent / "elsewhere/1.jpg")
    file.parent.symlink_to(outside.parent / "elsewhere")
    with pytest.raises(OriginalAway):
        read_original(config, record)


def test_other_bytes_are_refused_even_under_the_same_stamp(file: Path) -> None:
    config, record = config_of(file), record_of(file)
    times = (record.stamp.mtime_ns, record.stamp.mtime_ns)
    file.write_bytes(file.read_bytes()[::-1])
    os.utime(file, ns=times)
    with pytest.raises(OriginalAway):
        read_original(config, record)
