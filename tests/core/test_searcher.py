"""A long-running reader follows the index: whatever takes its place, every answer is whole."""

import threading
from collections.abc import Callable
from contextlib import closing

import pytest

from core.backup.reader import BackupReader
from core.backup.restore import restore
from core.bootstrap import open_database
from core.config import load_config
from core.index import Answer
from core.searcher import Searcher
from tests.conftest import Weaviate
from tests.pictures import write
from tests.project import Project

COUNT = 12
RESTORES = 6


def told(answer: Answer) -> list[object]:
    return [(match.place, match.distance, match.copies) for match in answer.matches]


class Asker(threading.Thread):
    """Asks again and again, in any of the ways there are; what was not as at first is noted."""

    def __init__(self, ask: Callable[[], object]) -> None:
        super().__init__()
        self._ask = ask
        self._expected = ask()
        self.asked = 0
        self.wrong: list[object] = []
        self.end = threading.Event()

    def run(self) -> None:
        while not self.end.is_set():
            try:
                if (found := self._ask()) != self._expected:
                    self.wrong.append(found)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what we look for
                self.wrong.append(error)
            self.asked += 1


@pytest.mark.slow
@pytest.mark.parametrize("store", ["lance", pytest.param("weaviate", marks=pytest.mark.weaviate)])
def test_no_search_notices_that_another_index_takes_over(
    project: Project, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, store: str
) -> None:
    if store == "weaviate":
        server: Weaviate = request.getfixturevalue("weaviate_server")
        project.configure(store=server.url(request.getfixturevalue("weaviate_name")))
        project.environ["WEAVIATE_API_KEY"] = str(server.key)
        monkeypatch.setenv("WEAVIATE_API_KEY", str(server.key))
    for n in range(COUNT):
        write(project.dataset / f"{n}.jpg", n // 2)  # each twice, so that there are copies
    project.cli("sync")
    file = project.folder / "index.lookalike"
    project.cli("backup", file)
    config = load_config(project.folder / "config.yaml")
    image = (project.dataset / "0.jpg").read_bytes()
    with closing(Searcher(config)) as searcher:
        first = searcher.search(image, 3)
        digests = [match.digest for match in first.matches]
        ways: list[Callable[[], object]] = [
            lambda: told(searcher.search(image, 3)),
            lambda: told(searcher.similar(first.matches[1].id, 3)),
            lambda: searcher.find(first.matches[0].id).place,
            lambda: sorted(searcher.thumbnails(digests)),
            searcher.count,
        ]
        askers = [Asker(way) for way in ways]
        for asker in askers:
            asker.start()
        with closing(open_database(config, writable=True)) as database:
            for _ in range(RESTORES):
                with BackupReader(file) as backup:
                    restore(database, backup, replace=True, progress=lambda *_: None)
                asked = [asker.asked for asker in askers]
                project.wait(  # one that was under way, and one that began after the restore
                    lambda asked=asked: all(  # type: ignore[misc]
                        asker.asked >= before + 2
                        for asker, before in zip(askers, asked, strict=True)
                    )
                )
        for asker in askers:
            asker.end.set()
            asker.join()
    assert [asker.wrong[:3] for asker in askers] == [[]] * len(askers)
    assert all(asker.asked > RESTORES for asker in askers)
