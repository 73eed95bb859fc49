"""F12, F13, F14: folders made and moved at speed, files written in parts."""

import io
import random
import threading
import time
from pathlib import Path

import pytest
from PIL import Image

from tests.faults.conftest import Figure
from tests.faults.oracle import converge, on_disk
from tests.faults.witness import Witness
from tests.pictures import jpeg, write
from tests.project import Project

CHUNK_BYTES = 16 << 10


@pytest.fixture
def quick(project: Project) -> Project:
    """Deletions by the thousand are no accident here."""
    project.configure(watch={"settle_seconds": 0.2, "hold_deletions_above": 1})
    return project


# ---- F12: new folders, deeper than events can follow --------------------------------------------


@pytest.mark.faults
@pytest.mark.parametrize("trees", [100, 2000])
def test_folders_made_as_fast_as_possible(quick: Project, figure: Figure, trees: int) -> None:
    quick.start()
    data = jpeg(1, (24, 16))
    for n in range(trees):
        folder = quick.dataset / f"{n}/a/b/c/d/e"
        folder.mkdir(parents=True)
        (folder / "1.jpg").write_bytes(data + n.to_bytes(4))
    seconds = converge(quick)
    figure("F12", f"mkdir -p a/b/c/d/e and a file, {trees:,} trees", missing=0, seconds=seconds)


# ---- F13: a folder moved ------------------------------------------------------------------------


def made(folder: Path, count: int) -> Path:
    """A folder of different pictures; what follows the end of a JPEG is no part of it."""
    data = jpeg(1, (24, 16))
    for n in range(count):
        file = folder / f"{n % 20}/{n}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data + n.to_bytes(4))
    return folder


@pytest.mark.timeout(300)
@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.faults)])
def test_a_folder_moved_every_way(project: Project, figure: Figure, count: int) -> None:
    folder = made(project.dataset / "a", count)
    write(project.dataset / "stays.jpg", 1)
    project.launch()
    converge(project, seconds=120)
    project.wait(lambda: project.status()["state"] == "watching")
    embedded = project.embedded()
    assert embedded == count + 1
    outside = project.folder / "outside"

    def twice() -> None:
        (project.dataset / "b").rename(project.dataset / "c")
        time.sleep(0.01)
        (project.dataset / "c").rename(project.dataset / "d")

    ways = {
        "within": lambda: folder.rename(project.dataset / "b"),
        "twice in 10 ms": twice,
        "out": lambda: (project.dataset / "d").rename(outside),
        "in": lambda: outside.rename(project.dataset / "e"),
    }
    for way, move in ways.items():
        move()
        if way == "out":  # that is what an accident looks like: held, and released
            project.wait(lambda: project.status()["held_deletions"] == count)
            project.cli("approve")
        seconds = converge(project, seconds=60)
        again = project.embedded() - embedded
        figure("F13", f"{count:,} files moved {way}", embeddings=again, seconds=seconds)
        assert again == 0
        assert seconds <= 10


@pytest.mark.faults
def test_files_that_change_places_are_not_embedded_again(project: Project) -> None:
    count = 200
    for n in range(count):
        write(project.dataset / f"{n:03}.jpg", n)
    project.start()
    converge(project)
    for n in reversed(range(count)):
        (project.dataset / f"{n:03}.jpg").rename(project.dataset / f"{n + 1:03}.jpg")
    converge(project)
    assert project.embedded() == count


# ---- F14: partial writes ------------------------------------------------------------------------


def noise(seed: int) -> bytes:
    """A JPEG of some 200 KB that is whole only with its last byte."""
    dice = random.Random(seed)
    buffer = io.BytesIO()
    Image.frombytes("RGB", (400, 300), dice.randbytes(400 * 300 * 3)).save(
        buffer, "JPEG", quality=90
    )
    return buffer.getvalue()


def write_in_parts(file: Path, data: bytes, dice: random.Random, longest: float) -> None:
    """16 KiB at a time, with pauses; closed and opened again three times."""
    file.write_bytes(b"")
    parts = [data[n : n + CHUNK_BYTES] for n in range(0, len(data), CHUNK_BYTES)]
    reopen = {len(parts) * n // 4 for n in (1, 2, 3)}
    stream = file.open("ab")
    for n, part in enumerate(parts):
        if n in reopen:
            stream.close()
            time.sleep(dice.uniform(0.2, longest))
            stream = file.open("ab")
        stream.write(part)
        stream.flush()
        time.sleep(dice.uniform(0.2, longest) if dice.random() < 0.3 else 0.01)
    stream.close()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("count", "longest"), [(12, 0.5), pytest.param(500, 4, marks=pytest.mark.faults)]
)
def test_no_vector_of_half_a_picture(
    project: Project, figure: Figure, count: int, longest: float
) -> None:
    project.configure(watch={"settle_seconds": 0.2 if count < 100 else 1})
    project.start()

    def work(first: int) -> None:
        for n in range(first, count, 50):
            dice = random.Random(n)
            write_in_parts(project.dataset / f"{n}.jpg", noise(n), dice, longest)

    with Witness(project) as witness:
        threads = [threading.Thread(target=work, args=(n,)) for n in range(min(50, count))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = converge(project)
    whole = set(on_disk(project.dataset).values())
    partial = len(witness.digests - whole)
    each = project.embedded() / count
    figure(
        "F14", f"{count} files in parts, pauses to {longest} s, opened four times",
        vectors_of_partial_content=partial, embeddings_per_file=each, seconds=seconds,
    )  # fmt: skip
    assert partial == 0
    assert each == 1
