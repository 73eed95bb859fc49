import hashlib
import shutil
from pathlib import Path

from core.records import IndexedStamp, Place, file_stamp
from daemon.roots import SAMPLE_AGAIN_SECONDS, Roots


def fill(folder: Path, count: int = 20) -> dict[Place, IndexedStamp]:
    folder.mkdir()
    stamps = {}
    for n in range(count):
        file = folder / f"{n}.jpg"
        file.write_text(f"picture {n}")
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        stamps[Place("r", file.name)] = IndexedStamp(file_stamp(file.lstat()), digest, racy=False)
    return stamps


def test_a_new_root_is_simply_watched_even_empty(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    assert Roots({"r": tmp_path / "root"}, tmp_path / "k.json").problem("r", dict) is None


def test_a_missing_root_is_a_sentence(tmp_path: Path) -> None:
    problem = Roots({"r": tmp_path / "none"}, tmp_path / "k.json").problem("r", dict)
    assert problem is not None
    assert "No such file or directory" in problem


def test_another_folder_in_its_place_is_left_alone_until_adopted(tmp_path: Path) -> None:
    stamps = fill(tmp_path / "root")
    roots = Roots({"r": tmp_path / "root"}, tmp_path / "k.json")
    assert roots.problem("r", dict) is None
    (tmp_path / "root").rename(tmp_path / "away")
    (tmp_path / "root").mkdir()
    assert "lookalike adopt r" in str(roots.problem("r", lambda: stamps))
    roots.adopt("r")
    assert roots.problem("r", lambda: stamps) is None


def test_a_restored_copy_is_adopted_by_itself(tmp_path: Path) -> None:
    stamps = fill(tmp_path / "root")
    roots = Roots({"r": tmp_path / "root"}, tmp_path / "k.json")
    roots.problem("r", dict)
    shutil.copytree(tmp_path / "root", tmp_path / "copy")
    (tmp_path / "root").rename(tmp_path / "away")
    (tmp_path / "copy").rename(tmp_path / "root")
    (tmp_path / "root" / "3.jpg").unlink()
    assert roots.problem("r", lambda: stamps) is None


def test_other_content_under_known_names_is_not_enough(tmp_path: Path) -> None:
    stamps = fill(tmp_path / "root")
    roots = Roots({"r": tmp_path / "root"}, tmp_path / "k.json")
    roots.problem("r", dict)
    (tmp_path / "root").rename(tmp_path / "away")
    fill(tmp_path / "root")
    for file in (tmp_path / "root").iterdir():
        file.write_text(file.read_text().replace("picture", "pictura"))
    assert roots.problem("r", lambda: stamps) is not None


def test_a_refused_root_is_not_sampled_at_every_look(tmp_path: Path) -> None:
    now = [0.0]
    stamps = fill(tmp_path / "root")
    roots = Roots({"r": tmp_path / "root"}, tmp_path / "k.json", steady_clock=lambda: now[0])
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


def test_the_identity_is_remembered(tmp_path: Path) -> None:
    stamps = fill(tmp_path / "root")
    Roots({"r": tmp_path / "root"}, tmp_path / "k.json").problem("r", dict)
    (tmp_path / "root").rename(tmp_path / "away")
    (tmp_path / "root").mkdir()
    again = Roots({"r": tmp_path / "root"}, tmp_path / "k.json")
    assert again.problem("r", lambda: stamps) is not None
