import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.errors import AppError
from core.files import FileLock, read_json, write_json
from core.records import FileStamp, Place
from core.state import (
    Progress,
    Rejection,
    RootStatus,
    Status,
    read_rejections,
    read_status,
    worst,
    write_rejections,
    write_status,
)

STATUS = Status(
    state="watching",
    roots={"r": RootStatus("watching", None, 3)},
    model="m",
    store="lancedb:/x",
    indexed=3,
    progress=Progress(1, 2, 3.0, None),
)


def test_a_fresh_status_is_read_as_written(tmp_path: Path) -> None:
    write_status(tmp_path, STATUS, pid=7)
    assert read_status(tmp_path) == STATUS
    assert json.loads((tmp_path / "status.json").read_text())["pid"] == 7


def test_an_old_status_is_of_a_stopped_daemon(tmp_path: Path) -> None:
    write_status(tmp_path, STATUS, pid=7)
    old = read_status(tmp_path, clock=lambda: time.time() + 16)
    assert old is not None
    assert old.state == "stopped"
    assert old.roots["r"] == RootStatus("stopped", None, 3)


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", '{"updated": 1}'])
def test_no_status_or_a_damaged_one_is_none(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "status.json").write_text(text)
    assert read_status(tmp_path) is None


def test_the_worst_root_counts() -> None:
    assert worst(["watching", "suspended"]) == "suspended"
    assert worst(["watching", "scanning"]) == "scanning"


def test_rejections_come_back(tmp_path: Path) -> None:
    rejections = {Place("r", "a/b.jpg"): Rejection(FileStamp(1, 2, 3, 4), "is empty", "v")}
    write_rejections(tmp_path, rejections)
    assert read_rejections(tmp_path) == rejections
    (tmp_path / "rejected.json").write_text("[[1]]")
    assert read_rejections(tmp_path) == {}


def test_a_document_is_replaced_in_one_step(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"n": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"n": object()})
    assert read_json(tmp_path / "a.json") == {"n": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_the_second_holder_of_a_lock_is_told_who_is_first(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from core.files import FileLock;"
        "FileLock(pathlib.Path(sys.argv[1]), '').acquire(); print(flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parent.parent.parent,
    )
    with holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        lock = FileLock(tmp_path / "lock", "held by {pid}")
        with pytest.raises(AppError, match=f"held by {holder.pid}"):
            lock.acquire()
        holder.kill()
        holder.wait()
    lock.acquire()
    lock.release()
