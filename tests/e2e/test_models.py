"""`lookalike models` says what there is, at once and without loading a model."""

import subprocess
import sys

from core.stores import Catalogue
from core.stores.lance import LanceDatabase
from tests.core.stores.helpers import DIM, record
from tests.pictures import write
from tests.project import TOP, Project


def test_before_there_is_an_index_it_lists_models_and_creates_nothing(project: Project) -> None:
    known = project.json("models")
    assert known["configured"] == "colour-layout"
    assert known["indexes"] == []
    names = {model["name"]: model for model in known["models"]}
    assert names["colour-layout"]["configured"]
    assert names["dinov2_vitl14_reg"]["dim"] == 1024
    assert "Nothing is indexed yet" in project.cli("models").stderr
    assert not (project.folder / "var").exists()


def test_it_says_which_index_answers_and_what_was_left_behind(project: Project) -> None:
    for n in range(3):
        write(project.dataset / f"{n}.jpg", n)
    project.cli("sync")
    database = LanceDatabase(project.folder / "var/index", writable=True)
    was = database.catalogue()
    assert was is not None
    for name in ("new", "left"):
        database.vectors(name, DIM).upsert([record("a"), record("b")])
    database.write_catalogue(Catalogue(was.created, was.serving, "new"))

    indexes = project.json("models")["indexes"]

    assert [(each["model"], each["role"], each["rows"]) for each in indexes] == [
        (was.serving, "serving", 3), ("new", "building", 2), ("left", "leftover", 2)
    ]  # fmt: skip
    assert all(each["size_bytes"] > 1000 for each in indexes)
    text = project.cli("models").stdout
    assert "left behind" in text
    assert "* colour-layout" in text
    database.close()
    project.cli("sync")  # a writer's start deletes what nobody names
    assert [each["role"] for each in project.json("models")["indexes"]] == ["serving"]


def test_it_says_where_the_weights_are(project: Project) -> None:
    folder = project.folder / "weights"
    folder.mkdir()
    file = folder / "dinov2_vits14.safetensors"
    file.write_bytes(b"x" * 1000)
    project.environ["LOOKALIKE_WEIGHTS"] = str(folder)
    project.configure(model={"name": "test_vit", "weights": "./none"})
    models = {model["name"]: model for model in project.json("models")["models"]}
    assert models["dinov2_vits14"]["weights"] == {
        "file": str(file), "found_by": "LOOKALIKE_WEIGHTS", "size_bytes": 1000
    }  # fmt: skip
    assert models["dinov2_vitb14"]["weights"]["file"] is None
    assert "there is no such file" in models["test_vit"]["problem"]
    assert models["test_vit"]["dim"] is None


def test_it_loads_no_torch(project: Project) -> None:
    project.command()
    code = (
        "import sys; from pathlib import Path; from cli.models import models;"
        f"models(Path({str(project.folder / 'config.yaml')!r}), as_json=True);"
        "sys.exit(len({'torch', 'timm'} & sys.modules.keys()))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=TOP, env=project.environ, check=True)
