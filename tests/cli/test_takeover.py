"""Commands that read while another index takes over, at the worst moment: the rows just go."""

from collections.abc import Callable
from contextlib import closing

import pytest

import core.searcher
from core.backup.reader import BackupReader
from core.backup.restore import restore
from core.bootstrap import open_database
from core.config import Config, load_config
from core.stores import Database, VectorStore
from tests.pictures import write
from tests.project import Project

COUNT = 4


@pytest.fixture
def project_switched(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Its rows are exchanged for a backup's right after a command has found out which to read."""
    for n in range(COUNT):
        write(project.dataset / f"{n}.jpg", n)
    project.cli("sync")
    file = project.folder / "index.lookalike"
    project.cli("backup", file)
    config = load_config(project.folder / "config.yaml")

    def switch() -> None:
        with (
            closing(open_database(config, writable=True)) as database,
            BackupReader(file) as backup,
        ):
            restore(database, backup, replace=True, progress=lambda *_: None)

    def opened(config: Config, *, writable: bool) -> Database:
        database = open_database(config, writable=writable)
        monkeypatch.setattr(database, "vectors", once_then(switch, database.vectors))
        return database

    monkeypatch.setattr(core.searcher, "open_database", opened)
    return project


def once_then(
    act: Callable[[], None], ask: Callable[[str], VectorStore]
) -> Callable[[str], VectorStore]:
    todo = [act]

    def asked(name: str) -> VectorStore:
        answer = ask(name)
        if todo:
            todo.pop()()
        return answer

    return asked


def test_a_search_finds_all(project_switched: Project) -> None:
    found = project_switched.json("search", project_switched.dataset / "1.jpg")
    assert len(found["matches"]) == COUNT


def test_verify_sees_all(project_switched: Project) -> None:
    said = project_switched.json("verify")
    assert (said["indexed"], said["missing"]) == (COUNT, [])
