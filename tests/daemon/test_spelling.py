import os
import unicodedata
from pathlib import Path

import pytest

from daemon.spelling import folds_case, lstat_as_spelt

lstat = os.lstat


@pytest.fixture
def folding(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file system finds a name in any case and any normalisation."""

    def fold(name: str) -> str:
        return unicodedata.normalize("NFC", name).casefold()

    def find(path: bytes) -> os.stat_result:
        folder, name = os.path.split(path)
        wanted = fold(os.fsdecode(name))
        spelt = [each for each in os.listdir(folder) if fold(os.fsdecode(each)) == wanted]
        return lstat(os.path.join(folder, *spelt[:1] or [name]))

    monkeypatch.setattr(os, "lstat", find)


@pytest.mark.usefixtures("folding")
@pytest.mark.parametrize(
    ("listed", "asked"),
    [
        pytest.param("img.jpg", "IMG.JPG", id="case"),
        pytest.param("Cafe\u0301.jpg", "Caf\u00e9.jpg", id="decomposed"),
        pytest.param("Caf\u00e9.jpg", "Cafe\u0301.jpg", id="composed"),
    ],
)
def test_a_file_is_there_only_as_its_folder_spells_it(
    tmp_path: Path, listed: str, asked: str
) -> None:
    (tmp_path / listed).touch()
    assert lstat_as_spelt(os.fsencode(tmp_path / listed))
    with pytest.raises(FileNotFoundError):
        lstat_as_spelt(os.fsencode(tmp_path / asked))


def test_two_links_of_one_file_are_both_there(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    os.link(tmp_path / "a.jpg", tmp_path / "A.JPG")
    for name in ("a.jpg", "A.JPG"):
        assert lstat_as_spelt(os.fsencode(tmp_path / name))
        assert not folds_case(os.fsencode(tmp_path / name))


def test_any_bytes_may_be_a_name(tmp_path: Path) -> None:
    name = os.path.join(os.fsencode(tmp_path), b"\xff\xc3\xa9.jpg")
    os.close(os.open(name, os.O_CREAT))
    assert lstat_as_spelt(name)
    with pytest.raises(FileNotFoundError):
        lstat_as_spelt(name + b"x")
