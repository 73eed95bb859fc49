"""The example dashboard and the example alerts ask for nothing that no part tells."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from bench.served_page import serve
from tests.fake_discord.judge import Judge
from tests.fake_discord.process import bot_process
from tests.fake_discord.server import FakeDiscord
from tests.health import ask, free_port, series
from tests.pictures import write
from tests.project import TOP, Project
from tests.web.conftest import configured

pytestmark = pytest.mark.timeout(240)  # three processes start, one after the other
DASHBOARD = TOP / "docs/grafana.json"
ALERTS = TOP / "docs/alerts.yml"
TABLE = TOP / "docs/metrics.md"
_NAME = re.compile(r"\b(?:lookalike|process)_[a-z_]+\b(?!-)")
_MATCHER = re.compile(r'(\w+)=~?"([^"]*)"')
_LABELS_OF_PROMETHEUS = {"job", "instance"}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """Every series of a daemon, a page and a bot that have worked a little."""
    project = Project(tmp_path_factory.mktemp("watched"))
    daemon, bot = (f"127.0.0.1:{free_port()}" for _ in range(2))
    project.configure(daemon={"metrics": daemon}, bot={"metrics": bot})
    write(project.dataset / "a.jpg", 1)
    write(project.dataset / "b.jpg", 2)
    project.start()
    try:
        project.wait_indexed(2)
        (project.dataset / "a.jpg").unlink()
        project.wait_indexed(1)
        found = series(ask(daemon, "/metrics").text)
        with serve(configured(project)) as address:
            httpx.post(f"{address}/api/search", files={"image": b"no picture"}, timeout=30)
            found |= series(httpx.get(f"{address}/metrics", timeout=30).text)
        asyncio.run(_ask_bot(project, bot, found))
    finally:
        assert project.stop() == 0
    return found


async def _ask_bot(project: Project, address: str, found: dict[str, float]) -> None:
    async with FakeDiscord(Judge()) as fake:
        fake.gateway.heartbeat_seconds = 1
        async with bot_process(project, fake), asyncio.timeout(120):
            while not await asyncio.to_thread(_is_ready, address):
                await asyncio.sleep(0.1)
            found |= await asyncio.to_thread(lambda: series(ask(address, "/metrics").text))


def _is_ready(address: str) -> bool:
    try:  # the latency is known from the first heartbeat on
        return "lookalike_bot_heartbeat_latency_seconds " in ask(address, "/metrics").text
    except OSError:
        return False


def expressions() -> list[str]:
    asked = [
        target["expr"]
        for panel in json.loads(DASHBOARD.read_text())["panels"]
        for target in panel.get("targets", [])
    ]
    return asked + [rule["expr"] for rule in rules()]


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    return list(group["rules"])


@pytest.mark.slow
def test_all_that_is_asked_for_is_told(told: dict[str, float]) -> None:
    names = {name.partition("{")[0] for name in told}
    labels = {label for name in told for label in re.findall(r'(\w+)="', name)}
    asked = expressions()
    assert len(asked) > 40
    for expression in asked:
        bare = re.sub(r"\b(?:by|on|without) \([^)]*\)", "", expression)
        unknown = set(_NAME.findall(_MATCHER.sub("", bare))) - names
        assert not unknown, expression
        matched = {label for label, _ in _MATCHER.findall(expression)}
        grouped = re.findall(r"\b(?:by|on|without) \(([^)]*)\)", expression)
        matched |= {label.strip() for group in grouped for label in group.split(",")}
        assert matched <= labels | _LABELS_OF_PROMETHEUS, expression


@pytest.mark.slow
def test_the_table_has_every_series_and_no_other(told: dict[str, float]) -> None:
    ours = {name.partition("{")[0] for name in told if name.startswith("lookalike_")}
    histograms = {name.removesuffix("_bucket") for name in ours if name.endswith("_bucket")}
    parts = {f"{name}_{end}" for name in histograms for end in ("bucket", "count", "sum")}
    ours = {n for n in ours - parts if not n.endswith("_created")} | histograms
    listed = set(re.findall(r"^\| `(lookalike_\w+)", TABLE.read_text(), re.MULTILINE))
    assert listed == ours


def test_every_alert_is_explained() -> None:
    table = TABLE.read_text()
    for rule in rules():
        assert f"| `{rule['alert']}` |" in table
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"].endswith(".")


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    board = json.loads(DASHBOARD.read_text())
    assert (board["id"], board["title"], board["uid"]) == (None, "Lookalike", "lookalike")
    assert board["schemaVersion"] >= 39
    (choice,) = board["templating"]["list"]
    assert (choice["type"], choice["query"]) == ("datasource", "prometheus")
    taken: set[tuple[int, int]] = set()
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["description"]
            assert panel["datasource"]["uid"] == "${datasource}"
            letters = [target["refId"] for target in panel["targets"]]
            assert letters == sorted(set(letters))


@pytest.mark.slow
def test_no_series_has_a_name_of_a_file(told: dict[str, float], tmp_path: Path) -> None:
    labels = {label for name in told for label in re.findall(r'(\w+)="', name)}
    assert labels == {"le", "operation", "outcome", "part", "root", "state", "status"}
    assert not any(str(tmp_path.parent) in name or "a.jpg" in name for name in told)
