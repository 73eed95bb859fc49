import os
import socket
from pathlib import Path

import pytest

from core.candidates import Candidates
from core.records import Place
from daemon.scanner import Findings, Scanner


def scan(folder: Path, ignore: tuple[str, ...] = (), path: str = "") -> tuple[set[str], Findings]:
    findings = Findings()
    scanner = Scanner("r", folder, Candidates(ignore))
    seen = list(scanner.look(Place("r", path), findings))
    return {path for _, files in seen for path, _ in files}, findings


def touch(folder: Path, *names: str | bytes) -> None:
    for name in names:
        file = folder / os.fsdecode(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def test_candidates_by_suffix_in_any_case_and_depth(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "a/2.PNG", "a/b/c/3.HeIc", "note.txt", "a/noext")
    found, findings = scan(tmp_path)
    assert found == {"1.jpg", "a/2.PNG", "a/b/c/3.HeIc"}
    assert findings.skipped == 2


def test_hidden_and_leftover_names_are_ignored(tmp_path: Path) -> None:
    touch(
        tmp_path,
        ".h.jpg",
        ".git/1.jpg",
        "@eaDir/1.jpg",
        "~$1.jpg",
        "1.jpg.part",
        "lost+found/a.jpg",
    )
    assert scan(tmp_path)[0] == set()


def test_ignore_patterns_are_gitignores(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg", "a/2.raw.jpg", "drafts/3.jpg", "b/drafts/4.jpg", "keep.jpg")
    assert scan(tmp_path, ("*.raw.jpg", "/drafts/"))[0] == {"a/1.jpg", "b/drafts/4.jpg", "keep.jpg"}
    assert scan(tmp_path, ("/drafts/",), "drafts")[0] == set(), "asked for by name, too"
    assert scan(tmp_path, ("/drafts/",), "drafts/3.jpg")[0] == set()


def test_odd_names_come_out_in_path_text(tmp_path: Path) -> None:
    touch(tmp_path, b"caf\xe9/\n.jpg", " a.jpg")
    found, _ = scan(tmp_path)
    assert found == {r"caf\xe9/\x0a.jpg", r"\x20a.jpg"}
    assert scan(tmp_path, path=r"caf\xe9")[0] == {r"caf\xe9/\x0a.jpg"}


def test_links_and_special_files_are_not_pictures(tmp_path: Path) -> None:
    touch(tmp_path, "real/1.jpg")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "link.jpg").symlink_to(tmp_path / "real/1.jpg")
    os.mkfifo(tmp_path / "fifo.jpg")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "socket.jpg"))
        (tmp_path / "folder.jpg").mkdir()
        assert scan(tmp_path)[0] == {"real/1.jpg"}
        assert scan(tmp_path, path="loop/real/1.jpg")[0] == set(), "not even when asked for"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_listed_is_unknown(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg", "b/2.jpg")
    (tmp_path / "a").chmod(0)
    found, findings = scan(tmp_path)
    (tmp_path / "a").chmod(0o755)
    assert found == {"b/2.jpg"}
    assert findings.unknown == {Place("r", "a"): "Permission denied"}


def test_absence_needs_evidence(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    scanner = Scanner("r", tmp_path, Candidates())
    assert not scanner.is_absent(Place("r", "a/1.jpg"))
    for gone in ("a/2.jpg", "b/1.jpg", "a/1.jpg/2.jpg", "link/1.jpg", "a"):
        assert scanner.is_absent(Place("r", gone)), gone
    with pytest.raises(OSError, match="too long"):
        scanner.is_absent(Place("r", "x" * 300))
