"""What the tests of the web share: one index and one server."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench.served_page import serve as serve_page
from core.config import Config, load_config
from core.keys import Keys
from tests.pictures import write
from tests.project import Project

Serve = Callable[..., str]


def configured(project: Project, **settings: Any) -> Config:
    project.configure(**settings)
    project.command()  # writes the configuration
    return load_config(project.folder / "config.yaml", {})


@pytest.fixture(scope="session")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Thirty pictures in three folders, one of them in two places, and one that is none."""
    project = Project(tmp_path_factory.mktemp("gallery"))
    project.configure(web={"searches_per_minute": 0})
    for n in range(30):
        write(project.dataset / ("cats", "dogs", "odd & <b>names</b>")[n % 3] / f"{n:02}.jpg", n)
    write(project.dataset / "copies/again.jpg", 3)
    (project.dataset / "cats/broken.png").write_bytes(b"no picture")
    project.json("sync")
    return project


@pytest.fixture(scope="session")
def address(gallery: Project) -> Iterator[str]:
    """Of the page that shows the gallery."""
    with serve_page(configured(gallery)) as address:
        yield address


@pytest.fixture(scope="session")
def client(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=30) as client:
        yield client


@pytest.fixture
def serve(gallery: Project) -> Iterator[Serve]:
    """Serves the gallery with other settings, for one test."""
    with ExitStack() as stack:

        def start(keys: Keys | None = None, **web: Any) -> str:
            settings = {"searches_per_minute": 0} | web
            config = configured(gallery, web=settings)
            gallery.configure(web={"searches_per_minute": 0})
            return str(stack.enter_context(serve_page(config, keys)))

        yield start


def find(client: httpx.Client, file: Path, **fields: Any) -> httpx.Response:
    return client.post("/api/search", files={"image": file.read_bytes()}, data=fields)
