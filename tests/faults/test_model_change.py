"""Another model under load: searches go on all the while, and none fails or mixes two indexes."""

import asyncio
import io
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing

import httpx
import pytest
import timm
from safetensors.torch import save_file

from core.aio import AsyncIndex
from core.bootstrap import open_database
from core.config import load_config
from core.searcher import Searcher
from core.stores import Database
from tests.conftest import Weaviate
from tests.pictures import jpeg, write
from tests.project import TOP, Project

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

COUNT = 120
QUERIES = [jpeg(5_000 + n) for n in range(4)]
K = 8
KILLS = 4
NEAR = 2e-3
"""bf16 against fp32, and one batch against another."""

Told = tuple[str, list[tuple[str, float]], bool]
"""Model, matches, and whether each had its thumbnail."""


class Load:
    """Searches in three ways without a pause; every answer is kept."""

    def __init__(self, project: Project, port: int) -> None:
        self._config = load_config(project.folder / "config.yaml")
        self._page = f"http://127.0.0.1:{port}"
        self.answers: dict[str, list[tuple[int, Told]]] = {"searcher": [], "async": [], "web": []}
        self.failures: list[tuple[str, object]] = []
        self.end = threading.Event()
        ways = (self._searcher, self._async, self._web)
        self._threads = [threading.Thread(target=way) for way in ways]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end.set()
        for thread in self._threads:
            thread.join()

    def _note(self, way: str, ask: Callable[[int], Told]) -> None:
        number = len(self.answers[way])
        query = number % len(QUERIES)
        try:
            self.answers[way].append((query, ask(query)))
        except Exception as error:  # noqa: BLE001 - any failure is what we look for
            self.failures.append((way, error))
            time.sleep(0.1)

    def _searcher(self) -> None:
        with closing(Searcher(self._config)) as searcher:

            def ask(query: int) -> Told:
                answer = searcher.search(QUERIES[query], K)
                found = searcher.thumbnails([match.digest for match in answer.matches])
                matches = [(match.place.path, match.distance) for match in answer.matches]
                return answer.model, matches, len(found) == len(matches)

            while not self.end.is_set():
                self._note("searcher", ask)

    def _async(self) -> None:
        async def main() -> None:
            async with AsyncIndex(self._config, seconds=120) as index:
                warming = asyncio.create_task(self._warm(index))
                while not self.end.is_set():
                    number = len(self.answers["async"])
                    query = number % len(QUERIES)
                    try:
                        answer = await index.search(QUERIES[query], K)
                        found = await index.thumbnails([m.digest for m in answer.matches])
                    except Exception as error:  # noqa: BLE001 - as above
                        self.failures.append(("async", error))
                        continue
                    matches = [(match.place.path, match.distance) for match in answer.matches]
                    told = (answer.model, matches, len(found) == len(matches))
                    self.answers["async"].append((query, told))
                await warming

        asyncio.run(main())

    async def _warm(self, index: AsyncIndex) -> None:
        """As page and bot do."""
        while not self.end.is_set():
            await index.prepare()
            await asyncio.sleep(1)

    def _web(self) -> None:
        with httpx.Client(base_url=self._page, timeout=120) as client:

            def ask(query: int) -> Told:
                files = {"image": ("q.jpg", io.BytesIO(QUERIES[query]))}
                answer = client.post("/api/search", files=files, data={"k": str(K)})
                document = answer.raise_for_status().json()
                pictures = [
                    client.get(f"/api/images/{match['id']}/thumbnail").status_code
                    for match in document["matches"]
                ]
                matches = [(match["path"], match["distance"]) for match in document["matches"]]
                return document["model"], matches, set(pictures) == {200}

            while not self.end.is_set():
                self._note("web", ask)


@pytest.mark.parametrize("store", ["lance", pytest.param("weaviate", marks=pytest.mark.weaviate)])
def test_a_model_changes_under_load_and_kills(
    project: Project, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, store: str
) -> None:
    weights = project.folder / "weights"
    weights.mkdir()
    network = timm.create_model("test_vit", pretrained=False)
    save_file(network.state_dict(), weights / "test_vit.safetensors")
    port = free_port()
    project.configure(web={"port": port, "searches_per_minute": 0})
    environ = {"LOOKALIKE_WEIGHTS": str(weights), "HF_HUB_OFFLINE": "1"}
    if store == "weaviate":
        server: Weaviate = request.getfixturevalue("weaviate_server")
        project.configure(store=server.url(request.getfixturevalue("weaviate_name")))
        environ["WEAVIATE_API_KEY"] = str(server.key)
    project.environ |= environ
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    for n in range(COUNT):
        write(project.dataset / f"{n % 5}/{n}.jpg", n)
    project.launch()
    project.wait(lambda: project.status().get("indexed") == COUNT, 240)
    config = load_config(project.folder / "config.yaml")
    view = open_database(config, writable=False)
    request.addfinalizer(view.close)
    old = serving(view)
    page = subprocess.Popen(project.command("web"), cwd=TOP, env=project.environ, stderr=sys.stderr)
    try:
        wait_for_page(port)
        with Load(project, port) as load:
            wait(lambda: all(len(answers) > 5 for answers in load.answers.values()), load)
            project.stop()
            project.configure(model={"name": "test_vit"})
            kills = 0
            for part in range(1, KILLS + 1):
                project.launch()
                wait(lambda part=part: built(view) >= part * COUNT // (KILLS + 2), load)
                if serving(view) == old:
                    kills += 1
                assert project.daemon is not None
                project.daemon.kill()
                project.daemon.wait()
                project.daemon = None
            project.launch()
            wait(lambda: serving(view) != old, load)
            new = serving(view)
            wait(lambda: all(a[-1][1][0] == new for a in load.answers.values()), load)
            enough = {way: len(answers) + 10 for way, answers in load.answers.items()}
            wait(lambda: all(len(load.answers[w]) >= enough[w] for w in enough), load)
    finally:
        page.terminate()
        page.wait()
    assert load.failures == []
    expected = references(load)
    assert set(expected) == {(model, query) for model in (old, new) for query in range(4)}
    for answers in load.answers.values():
        for query, (model, matches, pictured) in answers:
            assert pictured
            assert len(matches) == K
            assert differences(matches, expected[model, query]) <= NEAR, (model, query)
    assert kills, "the build was over before it could be killed"
    wait(lambda: [h.role for h in view.holdings()] == ["serving"], load)
    project.stop()
    project.cli("verify")
    counts = {way: len(answers) for way, answers in load.answers.items()}
    print(f"\n{store}: {counts} searches, {kills} kills of the build, 0 failed, 0 mixed")


def references(load: Load) -> dict[tuple[str, int], list[tuple[str, float]]]:
    """What each model answers to each query when nothing else goes on: the first that each said,
    which the exact distances of the next test hold true."""
    found: dict[tuple[str, int], list[tuple[str, float]]] = {}
    for answers in load.answers.values():
        for query, (model, matches, _) in answers:
            found.setdefault((model, query), matches)
    return found


def differences(matches: list[tuple[str, float]], expected: list[tuple[str, float]]) -> float:
    """The farthest that two answers lie apart, by rank and by picture."""
    by_rank = max(abs(a[1] - b[1]) for a, b in zip(matches, expected, strict=True))
    distances = dict(expected)
    same = [abs(distance - distances[path]) for path, distance in matches if path in distances]
    assert len(same) >= len(matches) - 1, "other pictures"
    return max(by_rank, *same)


def serving(database: Database) -> str:
    catalogue = database.catalogue()
    assert catalogue is not None
    return catalogue.serving


def built(database: Database) -> int:
    """Rows of the new index, or all of them once it answers."""
    catalogue = database.catalogue()
    assert catalogue is not None
    name = catalogue.building or catalogue.serving
    return database.vectors(name).count() if name.startswith("test_vit") else 0


def wait(condition: Callable[[], object], load: Load, seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert load.failures == []
        assert time.monotonic() < end, {way: len(found) for way, found in load.answers.items()}
        time.sleep(0.2)


def wait_for_page(port: int) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=5)
            return
        except httpx.TransportError:
            time.sleep(0.2)
    pytest.fail("the page does not come up")


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
