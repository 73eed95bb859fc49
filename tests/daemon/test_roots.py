import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.records import IndexedStamp, Place, file_stamp
from daemon.roots import SAMPLE_AGAIN_SECONDS, Roots

Know = Callable[..., Roots]


@pytest.fixture
def know(tmp_path: Path) -> Iterator[Know]:
    """Roots that know `root`, and what was known before."""
    made: list[Roots] = []

    def know(**options: object) -> Roots:
        made.append(Roots({"r": tmp_path / "root"}, tmp_path / "k.json", **options))
        return made[-1]

    yield know
    for roots in made:
        roots.close()


@pytest.fixture
def weak(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file system is one without an id of its own."""
    real = os.statvfs

    class Status:
        f_fsid = 0

    monkeypatch.setattr(os, "statvfs", lambda path: (real(path), Status)[1])


def fill(folder: Path, count: int = 20) -> dict[Place, IndexedStamp]:
    folder.mkdir()
    stamps = {}
    for n in range(count):
        file = folder / f"{n}.jpg"
        file.write_text(f"picture {n}")
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        stamps[Place("r", file.name)] = IndexedStamp(file_stamp(file.lstat()), digest, racy=False)
    return stamps


def test_a_new_root_is_simply_watched_even_empty(tmp_path: Path, know: Know) -> None:
    (tmp_path / "root").mkdir()
    assert know().problem("r", dict) is None


def test_a_missing_root_is_a_sentence(know: Know) -> None:
    problem = know().problem("r", dict)
    assert problem is not None
    assert "No such file or directory" in problem


def test_another_folder_in_its_place_is_left_alone_until_adopted(
    tmp_path: Path, know: Know
) -> None:
    stamps = fill(tmp_path / "root")
    roots = know()
    assert roots.problem("r", dict) is None
    (tmp_path / "root").rename(tmp_path / "away")
    (tmp_path / "root").mkdir()
    assert "lookalike adopt r" in str(roots.problem("r", lambda: stamps))
    roots.adopt("r")
    assert roots.problem("r", lambda: stamps) is None


def test_a_restored_copy_is_adopted_by_itself(tmp_path: Path, know: Know) -> None:
    stamps = fill(tmp_path / "root")
    roots = know()
    roots.problem("r", dict)
    shutil.copytree(tmp_path / "root", tmp_path / "copy")
    (tmp_path / "root").rename(tmp_path / "away")
    (tmp_path / "copy").rename(tmp_path / "root")
    (tmp_path / "root" / "3.jpg").unlink()
    assert roots.problem("r", lambda: stamps) is None


def test_other_content_under_known_names_is_not_enough(tmp_path: Path, know: Know) -> None:
    stamps = fill(tmp_path / "root")
    roots = know()
    roots.problem("r", dict)
    (tmp_path / "root").rename(tmp_path / "away")
    fill(tmp_path / "root")
    for file in (tmp_path / "root").iterdir():
        file.write_text(file.read_text().replace("picture", "pictura"))
    assert roots.problem("r", lambda: stamps) is not None


def test_a_refused_root_is_not_sampled_at_every_look(tmp_path: Path, know: Know) -> None:
    now = [0.0]
    stamps = fill(tmp_path / "root")
    roots = know(steady_clock=lambda: now[0])
    roots.problem("r", dict)
    (tmp_path / "root").rename(tmp_path / "away")
    (tmp_path / "root").mkdir()
    asked = []

    def sample() -> dict[Place, IndexedStamp]:
        asked.append(now[0])
        return stamps

    for _ in range(3):
        assert roots.problem("r", sample)
    now[0] += SAMPLE_AGAIN_SECONDS
    assert roots.problem("r", sample)
    assert len(asked) == 2


def test_the_identity_is_remembered(tmp_path: Path, know: Know) -> None:
    stamps = fill(tmp_path / "root")
    know().problem("r", dict)
    (tmp_path / "root").rename(tmp_path / "away")
    (tmp_path / "root").mkdir()
    again = know()
    assert again.problem("r", lambda: stamps) is not None


@pytest.mark.usefixtures("weak")
def test_without_an_id_of_the_file_system_one_known_file_is_asked_for(
    tmp_path: Path, know: Know
) -> None:
    stamps = fill(tmp_path / "root")
    know().problem("r", dict)
    assert know().problem("r", lambda: stamps) is None
    for n in range(19):
        (tmp_path / "root" / f"{n}.jpg").unlink()
    assert know().problem("r", lambda: stamps) is None, "the gate of Holds is for that"
    (tmp_path / "root/19.jpg").unlink()
    assert know().problem("r", lambda: stamps) is not None


def test_an_id_made_from_the_device_number_is_none(
    tmp_path: Path, know: Know, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamps = fill(tmp_path / "root")
    device = (tmp_path / "root").stat().st_dev
    major, minor = os.major(device), os.minor(device)

    class Status:
        f_fsid = (minor & 0xFF) | (major << 8) | ((minor & ~0xFF) << 12)

    monkeypatch.setattr(os, "statvfs", lambda _: Status)
    assert know().problem("r", lambda: stamps) is None
    assert (tmp_path / "k.json").read_text().startswith('{"r": [0, ')


def test_a_marker_must_be_there_if_one_is_asked_for(tmp_path: Path, know: Know) -> None:
    stamps = fill(tmp_path / "root")
    roots = know(marker=".marker")
    assert "no file .marker" in str(roots.problem("r", lambda: stamps))
    (tmp_path / "root/.marker").write_text("mine")
    assert roots.problem("r", lambda: stamps) is None
    (tmp_path / "root/.marker").write_text("another's")
    assert roots.problem("r", lambda: stamps) is None, "another identity, but the files agree"
    for n in range(20):
        (tmp_path / "root" / f"{n}.jpg").unlink()
    (tmp_path / "root/.marker").write_text("a third")
    assert "lookalike adopt r" in str(roots.problem("r", lambda: stamps))


def test_a_sample_of_another_disk_is_no_sample_of_this_one(tmp_path: Path, know: Know) -> None:
    """The disk is mounted after the look at the empty folder, and before the sample is taken."""
    root, away = tmp_path / "root", tmp_path / "away"
    stamps, roots = fill(root), know()
    roots.problem("r", dict)
    root.rename(away)
    root.mkdir()

    def mounted_meanwhile() -> dict[Place, IndexedStamp]:
        root.rmdir()
        away.rename(root)
        return stamps

    roots.problem("r", mounted_meanwhile)
    root.rename(away)
    root.mkdir()
    assert "is not the one that was indexed" in str(roots.problem("r", lambda: stamps))


def test_a_glance_sees_that_a_root_has_gone_and_that_it_is_back(tmp_path: Path, know: Know) -> None:
    root, away = tmp_path / "root", tmp_path / "away"
    fill(root)
    roots = know()
    assert roots.glance("r") is None  # not recognised yet
    assert roots.problem("r", dict) is None
    assert roots.glance("r") is None
    root.rename(away)
    assert "No such file or directory" in str(roots.glance("r"))
    root.mkdir()
    assert "is not the one that was indexed" in str(roots.glance("r"))
    root.rmdir()
    away.rename(root)
    assert roots.glance("r") is None


@pytest.mark.usefixtures("weak")
def test_a_glance_at_a_file_system_without_an_id_looks_at_the_device(
    tmp_path: Path, know: Know, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "root")
    roots = know()
    assert roots.problem("r", dict) is None
    assert roots.glance("r") is None
    real = Path.stat

    def on_another_device(self: Path, **options: bool) -> os.stat_result:
        status = list(real(self, **options))
        status[2] += 1
        return os.stat_result(status)

    monkeypatch.setattr(Path, "stat", on_another_device)
    assert "is not the one that was indexed" in str(roots.glance("r"))


def test_a_glance_agrees_once_another_folder_is_adopted(tmp_path: Path, know: Know) -> None:
    root = tmp_path / "root"
    stamps, roots = fill(root), know()
    roots.problem("r", dict)
    root.rename(tmp_path / "away")
    root.mkdir()
    roots.adopt("r")
    assert roots.problem("r", lambda: stamps) is None
    assert roots.glance("r") is None
