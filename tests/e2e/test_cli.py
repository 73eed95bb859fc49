"""The contract of DESIGN section 5, by the real command line on a real folder and store."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pictures import draw, jpeg, write
from tests.project import TOP, Project


def test_the_main_job(project: Project) -> None:
    for n in range(4):
        write(project.dataset / f"a/{n}.jpg", n)
    (project.dataset / "a/broken.png").write_bytes(b"no picture")
    (project.dataset / "a/note.txt").write_text("no candidate")
    result = project.json("sync")
    assert result["written"] == result["embedded"] == 4
    verified = project.json("verify", "--content")
    assert (verified["on_disk"], verified["indexed"]) == (5, 4)
    assert [entry["path"] for entry in verified["rejected"]] == ["a/broken.png"]
    query = project.folder / "query.png"
    draw(2).save(query)
    found = project.json("search", query, "-k", "3")
    assert found["matches"][0]["path"] == "a/2.jpg"
    assert 0 < found["matches"][0]["distance"] < found["matches"][1]["distance"]
    assert found["model"].startswith("colour-layout/")
    assert found["timings_ms"].keys() == {"decode", "embed", "search"}
    status = project.json("status")
    assert status["state"] == "stopped"
    assert (status["indexed"], status["rejected"], status["skipped"]) == (4, 1, 1)
    assert status["embedded_total"] == 4


def test_indexed_bytes_are_at_distance_zero_and_copies_are_one_match(project: Project) -> None:
    write(project.dataset / "b/1.jpg", 1)
    write(project.dataset / "a/copy.jpg", 1)
    write(project.dataset / "c/2.jpg", 2)
    assert project.json("sync")["embedded"] == 2
    found = project.json("search", project.dataset / "b/1.jpg", "-k", "2")["matches"]
    assert found[0]["distance"] == 0
    assert found[0]["path"] == "a/copy.jpg"
    assert found[0]["copies"] == [{"root": "dataset", "path": "b/1.jpg"}]
    assert found[1]["path"] == "c/2.jpg"
    assert len(found) == 2


def test_k_under_and_distance_narrow_the_answer(project: Project) -> None:
    for n in range(5):
        write(project.dataset / f"{'ab'[n % 2]}/{n}.jpg", n)
    project.json("sync")
    query = project.dataset / "a/0.jpg"
    assert len(project.json("search", query, "-k", "2")["matches"]) == 2
    under = project.json("search", query, "--under", "dataset/b/")["matches"]
    assert {m["path"] for m in under} == {"b/1.jpg", "b/3.jpg"}
    assert project.json("search", query, "--under", "dataset/none")["matches"] == []
    assert project.json("search", query, "--under", "elsewhere")["matches"] == []
    assert len(project.json("search", query, "--max-distance", "0")["matches"]) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["search", "IMAGE", "-k", "0"],
        ["search", "IMAGE", "-k", "101"],
        ["search", "IMAGE", "--under", "dataset/.."],
        ["search", "IMAGE", "--under", "dataset//a"],
        ["search", "IMAGE", "--max-distance", "3"],
        ["search"],
        ["forget"],
        ["forget", "dataset", "--all"],
        ["adopt", "nowhere"],
        ["sync", "/"],
        ["nonsense"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_2(project: Project, arguments: list[str]) -> None:
    image = write(project.folder / "q.jpg", 1)
    project.cli(*[str(image) if a == "IMAGE" else a for a in arguments], code=2)


def test_what_is_no_picture_is_a_sentence_and_exit_1(project: Project) -> None:
    write(project.dataset / "1.jpg", 1)
    project.cli("sync")
    for name, data in {"empty": b"", "text": b"hello", "cut": jpeg(1)[:500]}.items():
        query = project.folder / name
        query.write_bytes(data)
        result = project.cli("search", query, code=1)
        assert name in result.stderr
        assert len(result.stderr.splitlines()) == 1
    assert "No such file" in project.cli("search", project.folder / "none", code=1).stderr
    assert "Is a directory" in project.cli("search", project.folder, code=1).stderr


def test_wrong_configuration_is_exit_78(project: Project) -> None:
    project.configure(wach={}, web={"port": -1})
    for command in ("status", "sync", "verify"):
        result = project.cli(command, code=78)
        assert "wach: there is no such setting" in result.stderr
        assert "web.port" in result.stderr
    assert not (project.folder / "var").exists()


def test_a_reader_creates_nothing(project: Project) -> None:
    query = write(project.folder / "q.jpg", 1)
    result = project.cli("search", query, "--json")
    assert json.loads(result.stdout)["matches"] == []
    assert "Nothing is indexed yet" in result.stderr
    project.cli("status")
    write(project.dataset / "1.jpg", 1)
    assert project.json("verify", code=1)["missing"] == [{"root": "dataset", "path": "1.jpg"}]
    assert not (project.folder / "var").exists()


def test_a_missing_root_leaves_the_index_untouched(project: Project) -> None:
    write(project.dataset / "1.jpg", 1)
    project.cli("sync")
    project.dataset.rename(project.folder / "away")
    result = project.cli("sync", code=1)
    assert "cannot be read" in result.stderr
    assert project.json("verify", code=1)["orphaned"] == []
    found = project.json("search", project.folder / "away/1.jpg")
    assert [m["path"] for m in found["matches"]] == ["1.jpg"]
    (project.folder / "away").rename(project.dataset)
    assert project.json("sync")["embedded"] == 0
    project.cli("verify")


def test_deletions_that_look_like_an_accident_wait_for_approval(project: Project) -> None:
    for n in range(3):
        write(project.dataset / f"{n}.jpg", n)
    project.cli("sync")
    for n in range(3):
        (project.dataset / f"{n}.jpg").unlink()
    assert project.json("sync")["deleted"] == 0
    verified = project.json("verify", code=1)
    assert len(verified["held"]) == 3
    assert verified["orphaned"] == []
    assert project.json("status")["held_deletions"] == 3
    assert project.json("approve")["deleted"] == 3
    assert project.json("verify")["indexed"] == 0


def test_moving_copying_and_touching_embeds_nothing(project: Project) -> None:
    for n in range(6):
        write(project.dataset / f"a/{n}.jpg", n)
    project.cli("sync")
    (project.dataset / "a").rename(project.dataset / "b")
    shutil.copy(project.dataset / "b/0.jpg", project.dataset / "c.jpg")
    os.utime(project.dataset / "b/1.jpg", (1, 1))
    result = project.json("sync")
    assert (result["written"], result["embedded"], result["deleted"]) == (7, 0, 6)
    (project.dataset / "b/2.jpg").rename(project.folder / "out.jpg")
    assert project.json("sync")["deleted"] == 1
    (project.folder / "out.jpg").rename(project.dataset / "back.jpg")
    assert project.json("sync")["embedded"] == 0
    project.cli("verify", "--content")
    assert project.json("status")["embedded_total"] == 6


def test_a_picture_that_turns_bad_leaves_and_comes_back(project: Project) -> None:
    write(project.dataset / "1.jpg", 1)
    write(project.dataset / "2.jpg", 2)
    project.cli("sync")
    (project.dataset / "1.jpg").write_bytes(b"bad")
    project.cli("sync")
    verified = project.json("verify")
    assert (verified["indexed"], len(verified["rejected"])) == (1, 1)
    write(project.dataset / "1.jpg", 1)
    project.cli("sync")
    verified = project.json("verify")
    assert (verified["indexed"], verified["rejected"]) == (2, [])


def test_sync_of_one_path_touches_nothing_else(project: Project) -> None:
    write(project.dataset / "a/1.jpg", 1)
    write(project.dataset / "b/2.jpg", 2)
    assert project.json("sync", project.dataset / "a")["written"] == 1
    assert project.json("verify", code=1)["missing"] == [{"root": "dataset", "path": "b/2.jpg"}]


def test_verify_finds_every_kind_of_difference(project: Project) -> None:
    for n in range(3):
        write(project.dataset / f"{n}.jpg", n)
    project.cli("sync")
    write(project.dataset / "new.jpg", 9)
    (project.dataset / "0.jpg").unlink()
    write(project.dataset / "1.jpg", 11)
    file = project.dataset / "2.jpg"
    before = file.stat()
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(data)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    verified = project.json("verify", code=1)
    assert [e["path"] for e in verified["missing"]] == ["new.jpg"]
    assert [e["path"] for e in verified["orphaned"]] == ["0.jpg"]
    assert [e["path"] for e in verified["stale"]] == ["1.jpg"]
    verified = project.json("verify", "--content", code=1)
    assert [e["path"] for e in verified["stale"]] == ["1.jpg", "2.jpg"]
    project.cli("sync")
    project.cli("verify", "--content")


def test_forget_takes_a_root_out(project: Project) -> None:
    (project.folder / "old").mkdir()
    write(project.folder / "old/1.jpg", 1)
    write(project.dataset / "2.jpg", 2)
    project.configure(roots={"dataset": "./dataset", "old": "./old"})
    project.cli("sync")
    project.configure(roots={"dataset": "./dataset"})
    found = project.json("search", project.folder / "old/1.jpg")["matches"]
    assert [m["root"] for m in found] == ["dataset"], "rows of other roots are not searched"
    project.cli("sync")
    assert any("old" in problem for problem in project.json("status")["problems"])
    assert project.json("forget", "old")["forgotten"] == 1
    assert not any("old" in problem for problem in project.json("status")["problems"])
    project.cli("forget", "nowhere", code=2)
    project.cli("verify")


def test_odd_names_survive_the_whole_way(project: Project) -> None:
    names = [
        b"caf\xe9.jpg",
        b"new\nline.jpg",
        b" blank.jpg",
        b"q'uo\"te%_.jpg",
        "日本.jpg".encode(),
    ]
    for seed, name in enumerate(names):
        write(project.dataset / os.fsdecode(name), seed)
    project.cli("sync")
    verified = project.json("verify", "--content")
    assert verified["indexed"] == len(names)
    found = project.json("search", project.dataset / os.fsdecode(names[0]))["matches"]
    assert found[0]["path"] == r"caf\xe9.jpg"
    assert (
        len(project.cli("search", project.dataset / os.fsdecode(names[1])).stdout.splitlines()) > 5
    )


@pytest.mark.slow
def test_as_a_process_it_is_the_same(project: Project) -> None:
    write(project.dataset / "1.jpg", 1)
    assert project.process("sync").returncode == 0
    query = project.folder / "q.jpg"
    query.write_bytes(b"no picture")
    in_process, apart = project.cli("search", query, code=1), project.process("search", query)
    assert (apart.returncode, apart.stdout, apart.stderr) == in_process
    verified = project.process("verify", "--json")
    assert json.loads(verified.stdout) == project.json("verify")


@pytest.mark.slow
@pytest.mark.model
def test_a_real_model_takes_over_from_the_preview(project: Project) -> None:
    weights = Path(os.environ.get("LOOKALIKE_WEIGHTS", TOP.parent / "shared/weights"))
    file = weights / "deit_tiny_patch16_224.fp16.safetensors"
    if not file.exists():
        pytest.skip(f"no weights at {file}: set LOOKALIKE_WEIGHTS to their folder")
    project.configure(model={"name": "deit_tiny_patch16_224"})
    project.environ |= {"HF_HUB_OFFLINE": "1", "HF_HOME": str(project.folder / "hf")}
    for n in range(10):
        write(project.dataset / f"{n}.jpg", n)
    project.cli("sync")
    query = project.dataset / "3.jpg"
    assert project.json("search", query)["model"].startswith("colour-layout/")
    project.environ["LOOKALIKE_WEIGHTS"] = str(file)
    project.cli("sync")
    found = project.json("search", query)
    assert found["model"].startswith("deit_tiny_patch16_224/")
    assert found["matches"][0] | {"id": ""} == {
        "id": "", "root": "dataset", "path": "3.jpg", "distance": 0, "copies": []
    }  # fmt: skip
    status = project.json("status")
    assert status["problems"] == []
    assert status["embedded_total"] == 20
    changed = project.folder / "q.png"
    draw(3).save(changed)
    assert project.json("search", changed)["matches"][0]["path"] == "3.jpg"
    # Without the weights the real index stays, and nothing is written.
    del project.environ["LOOKALIKE_WEIGHTS"]
    write(project.dataset / "new.jpg", 99)
    assert "until the weights are back" in project.cli("sync", code=1).stderr
    assert project.json("status")["indexed"] == 10
    assert "LOOKALIKE_WEIGHTS" in project.cli("search", changed, code=1).stderr
    assert len(project.json("search", query)["matches"]) == 10, "known bytes need no model"


def test_help_is_quick_and_loads_no_model() -> None:
    code = (
        "import sys; sys.argv=['lookalike', '--help']\n"
        "from cli.main import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'lancedb', 'watchdog', 'PIL'} & sys.modules.keys()))"
    )
    before = os.times()
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=TOP, capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "[]"
    used = os.times()
    assert used.children_user + used.children_system < (
        before.children_user + before.children_system + 5
    )
