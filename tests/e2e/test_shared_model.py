"""Daemon and searches with one model between them: real processes, real weights (a small model)."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.embedders.weights import in_folder
from tests.model_service import Service
from tests.pictures import write
from tests.project import TOP, Project

MODEL = "deit_tiny_patch16_224"
PICTURES = 120
BATCH = 8


@pytest.fixture
def service(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    given = Path(os.environ.get("LOOKALIKE_WEIGHTS") or TOP.parent / "shared/weights")
    if not given.is_dir() or in_folder(given, MODEL) is None:
        pytest.skip(f"no weights of {MODEL}: set LOOKALIKE_WEIGHTS")
    project.configure(model={"name": MODEL})
    project.environ["LOOKALIKE_WEIGHTS"] = str(given)
    monkeypatch.setenv("LOOKALIKE_WEIGHTS", str(given))
    made = Service(project.folder / "var/state", LOOKALIKE_WEIGHTS=str(given))
    made.start()
    yield made
    made.stop()


def libraries(pid: int) -> str:
    return Path(f"/proc/{pid}/maps").read_text()


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.timeout(180)
def test_a_daemon_whose_service_is_killed_over_its_work_ends_with_the_same_index(
    project: Project, service: Service
) -> None:
    for n in range(PICTURES):
        write(project.dataset / f"{n}.jpg", n)
    project.launch()
    project.wait(lambda: project.embedded() >= 2 * BATCH, 120)
    service.kill()
    assert project.embedded() < PICTURES, "it was killed too late to matter"
    service.start()
    project.wait(lambda: project.status().get("indexed") == PICTURES, 120)
    assert project.embedded() == PICTURES
    assert project.daemon is not None
    assert "libtorch" not in libraries(project.daemon.pid)
    worker = service.worker()
    assert worker is not None and "libtorch" in libraries(worker)
    found = project.json("search", write(project.folder / "copy.jpg", 7))
    assert found["matches"][0] | {"id": ""} == {
        "id": "", "root": "dataset", "path": "7.jpg", "distance": 0.0, "copies": []
    }  # fmt: skip
    assert project.json("verify")["missing"] == []


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.timeout(240)
def test_a_preview_gives_way_to_the_model_that_the_service_gets_weights_for(
    project: Project, service: Service, tmp_path: Path
) -> None:
    real = in_folder(Path(service.environ["LOOKALIKE_WEIGHTS"]), MODEL)
    assert real is not None
    empty = tmp_path / "weights"
    empty.mkdir()
    service.stop()
    service.environ |= {"LOOKALIKE_WEIGHTS": str(empty), "HF_HUB_OFFLINE": "1"}
    service.start()
    project.environ["LOOKALIKE_WEIGHTS"] = str(empty)
    write(project.dataset / "1.jpg", 1)
    project.launch()
    project.wait(lambda: project.status().get("indexed") == 1, 110)
    assert project.status()["model"].startswith("colour-layout/")
    assert any("There are no weights for" in each for each in project.status()["problems"])
    project.stop()
    (empty / real.name).symlink_to(real)
    project.launch()
    project.wait(lambda: (project.status().get("model") or "").startswith(MODEL), 110)
    assert project.daemon is not None
    assert "libtorch" not in libraries(project.daemon.pid)
