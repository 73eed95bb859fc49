"""Whatever is sent: a sentence, never a 500, and nothing left behind."""

import logging
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.pictures import jpeg
from tests.project import TOP, Project

HARD = TOP.parent / "shared/data/hard-images"
REQUESTS = 2000


@pytest.fixture
def nothing_left(
    gallery: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[None]:
    """No file is there that was not there before, and none is still open."""

    def left() -> set[Path]:
        return {file for top in (gallery.folder, scratch) for file in top.rglob("*")}

    def opened() -> list[str]:
        targets = []
        for link in Path("/proc/self/fd").iterdir():
            with suppress(FileNotFoundError):  # the listing itself, at least
                targets.append(str(link.readlink()))
        return [target for target in targets if "(deleted)" in target or str(scratch) in target]

    scratch = tmp_path / "tmp"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr(tempfile, "tempdir", None)
    files, descriptors = left(), Counter(opened())
    yield
    assert left() == files
    assert not Counter(opened()) - descriptors


def hard_pictures() -> list[bytes]:
    if not HARD.is_dir():
        pytest.skip(f"needs {HARD.relative_to(TOP.parent)}")
    return [file.read_bytes() for file in sorted(HARD.rglob("*")) if file.is_file()]


def hostile_requests(pictures: list[bytes], address: str) -> Iterator[httpx.Request]:
    dice = random.Random(6)
    words = [
        "",
        "0",
        "-1",
        "nan",
        "1e999",
        "../..",
        "dataset/\x00",
        "'; --",
        "٣",
        "0,nan,1,1",
        "%n",
        "x" * 9000,
        "\ud7ff",
        "null",
        "dataset/%",
    ]
    paths = ["/", "/api/search"]
    for _ in range(REQUESTS):
        data = bytearray(dice.choice(pictures))
        kind = dice.randrange(8)
        if kind < 4 and data:  # cut it, or damage it here and there
            for _ in range(dice.randrange(1, 20)):
                data[dice.randrange(len(data))] = dice.randrange(256)
            if kind < 2:
                del data[dice.randrange(len(data)) :]
        fields = {
            name: dice.choice(words)
            for name in dice.sample(
                ["k", "under", "max_distance", "box", "other", "x" * 500], dice.randrange(3)
            )
        }
        path = dice.choice(paths)
        if kind < 6:
            name = dice.choice(
                ["a.jpg", "../../../etc/cron.d/x", "a\x00.png", "/dev/sda", "", "é" * 300]
            )
            yield httpx.Request(
                "POST", address + path, files={"image": (name, bytes(data))}, data=fields
            )
        elif kind == 6:
            boundary = dice.choice(["x", "", "é", "x" * 300])
            head = {"Content-Type": f"multipart/form-data; boundary={boundary}".encode()}
            yield httpx.Request(
                "POST", address + path, content=b"--x\r\n" + bytes(data[:5000]), headers=head
            )
        else:
            word = dice.choice(words)
            query = {"similar": dice.choice(words), "path": dice.choice(words), **fields}
            target = dice.choice(
                ["/", "/api/images/x/similar", "/api/images/x/thumbnail", "/static/x", "/rejected"]
            )
            yield httpx.Request(
                "GET",
                httpx.URL(
                    address + target.replace("x", "%2e%2e%2f" + str(len(word)), 1), params=query
                ),
            )


@pytest.mark.slow
@pytest.mark.usefixtures("nothing_left")
def test_two_thousand_hostile_requests(address: str, caplog: pytest.LogCaptureFixture) -> None:
    requests = list(hostile_requests([*hard_pictures(), jpeg(1), b""], address))
    with httpx.Client(timeout=60) as client, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(client.send, requests))
    statuses = Counter(answer.status_code for answer in answers)
    assert len(answers) == REQUESTS
    assert max(statuses) <= 503
    assert 500 not in statuses
    assert statuses[200] > 100, statuses
    for answer in answers:
        if answer.status_code not in (200, 304) and answer.request.url.path.startswith("/api"):
            assert answer.json()["error"]
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
