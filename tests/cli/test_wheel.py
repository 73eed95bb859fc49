"""An installation that is no checkout: what pip puts elsewhere is found from there."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cli.units import TARGET
from tests.model_service import wait
from tests.pictures import jpeg, write
from tests.project import TOP, Project
from tests.wheel import build_wheel, install_wheel, site_packages

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PICTURES = 3


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`lookalike`, where nothing but the wheel's content is ours."""
    folder = tmp_path_factory.mktemp("wheel")
    python = install_wheel(build_wheel(folder), folder / "environment", site_packages())
    return python.with_name("lookalike")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project")
    made.configure(web={"port": 0})
    made.environ.pop("PYTHONPATH", None)
    for n in range(PICTURES):
        write(made.dataset / f"{n}_x.jpg", n)
    made.command()  # its configuration
    return made


@pytest.fixture
def page(program: Path, elsewhere: Project) -> Iterator[str]:
    """Where the page of `lookalike up` is."""
    said = elsewhere.folder / "up.log"
    with said.open("w") as log:
        running = subprocess.Popen(
            [program, "up"], cwd=elsewhere.folder, env=elsewhere.environ, stderr=log
        )
    try:
        lines = ("The page is at", f"{PICTURES} written, 0 deleted")
        wait(lambda: running.poll() is not None or all(x in said.read_text() for x in lines), 200)
        found = re.search(r"The page is at (\S+)", said.read_text())
        assert found, said.read_text()
        yield found[1]
        running.terminate()
        assert running.wait(30) == 0, said.read_text()
    finally:
        running.kill()
        running.wait()


def test_its_units_are_those_of_the_sources(program: Path, elsewhere: Project) -> None:
    root = elsewhere.folder / "root"
    command = [program, "install-service", "--bot", "--yes", "--root", root]
    subprocess.run(command, cwd=elsewhere.folder, env=elsewhere.environ, check=True, timeout=60)
    installed = root / "etc/systemd/system"
    assert (installed / TARGET).read_text() == (TOP / "systemd" / TARGET).read_text()
    for unit in (TOP / "systemd").glob("*.service"):
        theirs, ours = (file.read_text().splitlines() for file in (unit, installed / unit.name))
        differing = [line for line in ours if line not in theirs]
        assert all(line.startswith("ExecStart=") for line in differing), differing
        assert any(line.startswith(f"ExecStart={program.parent}/python -m cli") for line in ours)


def test_its_page_has_its_templates_and_styles(page: str) -> None:
    with httpx.Client(base_url=page, timeout=60) as client:
        found = client.post("/api/search", files={"image": jpeg(1)}).json()
        assert found["matches"][0]["path"] == "1_x.jpg"
        shown = client.get("/")
        assert shown.status_code == 200
        assets = re.findall(r'"(/static/[^"]+)"', shown.text)
        assert len(assets) >= 2
        assert {client.get(asset).status_code for asset in assets} == {200}
