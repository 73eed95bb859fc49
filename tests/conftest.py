"""What tests of several folders share: a project in a folder, a real Weaviate server."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from core.secrets import read_secret
from tests.faults.table import FaultTable
from tests.project import Project
from tests.weaviate_server import PROGRAM, WRITER_KEY, WeaviateServer

NO_SERVER = (
    "needs a Weaviate server: set WEAVIATE_URL, or WEAVIATE_BINARY, or put weaviate-server on PATH"
)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path / "project")
    yield made
    if made.daemon:
        made.daemon.kill()
        made.daemon.wait()


class Weaviate:
    """The server of this test session, wherever it runs."""

    def __init__(self, server: WeaviateServer | None) -> None:
        self.server = server
        self.key = WRITER_KEY if server else read_secret("WEAVIATE_API_KEY")

    def url(self, name: str) -> str:
        if self.server:
            return self.server.url(name)
        given = urlsplit(os.environ["WEAVIATE_URL"])
        return given._replace(path=f"/{name}").geturl()


@pytest.fixture(scope="session")
def weaviate_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Weaviate]:
    if os.environ.get("WEAVIATE_URL"):
        yield Weaviate(None)
        return
    server = new_server(tmp_path_factory.mktemp("weaviate"))
    server.start()
    yield Weaviate(server)
    server.stop()


def new_server(folder: Path, **environ: str) -> WeaviateServer:
    """A server that is not started yet; skips where there is none."""
    if not PROGRAM:
        pytest.skip(NO_SERVER)
    return WeaviateServer(folder, **environ)


@pytest.fixture
def weaviate_name(weaviate_server: Weaviate) -> Iterator[str]:
    """A NAME of its own for one test."""
    yield from own_name(weaviate_server)


def own_name(weaviate_server: Weaviate) -> Iterator[str]:
    """A NAME whose collections are dropped at the end."""
    from core.stores.weaviate_servers import WeaviateServers
    from core.stores.weaviate_url import parse_weaviate_url

    name = f"Test{uuid.uuid4().hex[:12]}"
    yield name
    servers = WeaviateServers(parse_weaviate_url(weaviate_server.url(name)), weaviate_server.key)
    for collection in servers.read(lambda client: list(client.collections.list_all())):
        if collection.startswith(name):
            servers.write(lambda client, made=collection: client.collections.delete(made))
    servers.close()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--faults-table",
        metavar="FILE",
        type=Path,
        help="write the figures of the fault suite into the table of this document",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(FaultTable(config.getoption("--faults-table")))


ASKED_FOR_ONLY = {"faults": "takes minutes", "slow": "takes many seconds"}
"""Markers of tests that run when named with -m, as `make faults` and `make slow` do; the first
that a test has counts."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    asked = config.getoption("-m")
    for item in items:
        marker = next(filter(item.get_closest_marker, ASKED_FOR_ONLY), None)
        if marker and marker not in asked:
            why = f"{ASKED_FOR_ONLY[marker]}; run with -m {marker}"
            item.add_marker(pytest.mark.skip(reason=why))
