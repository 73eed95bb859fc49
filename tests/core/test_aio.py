"""The search that bot and web await: a real index, real decoders."""

import asyncio
import threading
from pathlib import Path

import pytest

from core.aio import AsyncIndex
from core.bootstrap import NothingIndexed
from core.box import Box
from core.config import load_config
from core.errors import AppError, BusyError, ImageError, NotIndexed
from core.records import ImageId
from tests.pictures import jpeg, write
from tests.project import Project


@pytest.fixture
def indexed(project: Project) -> Project:
    """Four pictures below two folders."""
    for n in range(4):
        write(project.dataset / "ab"[n % 2] / f"{n}.jpg", n)
    project.cli("sync")
    return project


def open_index(project: Project, **options: float) -> AsyncIndex:
    project.command()  # writes the configuration
    config = load_config(project.folder / "config.yaml", {})
    return AsyncIndex(config, **options)  # type: ignore[arg-type]


def test_it_answers_what_the_command_line_answers(indexed: Project, tmp_path: Path) -> None:
    query = write(tmp_path / "query.jpg", 7)
    told = indexed.json("search", query, "-k", "3")

    async def ask() -> None:
        async with open_index(indexed) as index:
            answer = await index.search(query.read_bytes(), 3)
            assert [(m.id, m.distance) for m in answer.matches] == [
                (m["id"], m["distance"]) for m in told["matches"]
            ]
            assert answer.model == told["model"]
            assert answer.thumbnail is not None
            again = await index.similar(answer.matches[0].id, 4)
            assert (again.matches[0].id, again.matches[0].distance) == (answer.matches[0].id, 0)
            assert len(again.matches) == await index.count() == 4
            assert again.digest is not None
            (thumbnail,) = (await index.thumbnails([again.digest])).values()
            assert thumbnail.startswith(b"\xff\xd8")

    asyncio.run(ask())


def test_a_part_is_searched_for_as_if_it_were_a_picture(indexed: Project) -> None:
    async def ask() -> None:
        async with open_index(indexed) as index:
            whole = await index.search(jpeg(1), 1)
            part = await index.search(jpeg(1), 1, box=Box(0, 0, 0.5, 0.5))
            assert whole.matches[0].distance == 0
            assert part.matches[0].distance > 0
            assert part.digest is None

    asyncio.run(ask())


def test_what_cannot_be_answered_is_said(indexed: Project) -> None:
    async def ask() -> None:
        async with open_index(indexed) as index:
            with pytest.raises(ImageError, match="no picture"):
                await index.search(b"rubbish")
            with pytest.raises(NotIndexed, match="not in the index"):
                await index.similar(ImageId("00000000-0000-0000-0000-000000000000"))
            with pytest.raises(NotIndexed):
                await index.find(ImageId("no id at all"))

    asyncio.run(ask())


def test_it_follows_the_index_from_its_beginning(project: Project) -> None:
    async def ask() -> None:
        async with open_index(project) as index:
            with pytest.raises(NothingIndexed):
                await index.search(jpeg(1))
            write(project.dataset / "1.jpg", 1)
            await asyncio.to_thread(project.process, "sync")
            assert len((await index.search(jpeg(1))).matches) == 1

    asyncio.run(ask())


def test_a_full_queue_says_so_and_empties(indexed: Project) -> None:
    async def ask() -> None:
        async with open_index(indexed, most_waiting=2) as index:
            gate = threading.Event()
            blocked = asyncio.create_task(index._embedding.run(gate.wait))
            waiting = [asyncio.create_task(index.search(jpeg(n), 1)) for n in (1, 2)]
            await asyncio.sleep(0)
            with pytest.raises(BusyError, match="try again"):
                await index.search(jpeg(3))
            assert await index.count() == 4, "reading does not wait for a model"
            gate.set()
            await blocked
            answers = await asyncio.gather(*waiting)
            assert [answer.matches[0].distance for answer in answers] == [0, 0]

    asyncio.run(ask())


def test_whoever_stops_waiting_frees_the_place(indexed: Project) -> None:
    async def ask() -> None:
        async with open_index(indexed, most_waiting=1, seconds=1) as index:
            gate = threading.Event()
            slow = asyncio.create_task(index._embedding.run(gate.wait))
            waiting = asyncio.create_task(index.search(jpeg(1)))
            with pytest.raises(AppError, match=r"longer than 1 s"):
                await waiting
            with pytest.raises(AppError, match="longer than"):
                await slow
            gate.set()
            while index._embedding._inside:
                await asyncio.sleep(0.01)
            assert await index._embedding.run(lambda: "served") == "served"

    asyncio.run(ask())
