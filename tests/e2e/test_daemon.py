"""The daemon as a process: a real folder, a real LanceDB, real signals."""

import contextlib
import json
import shutil
import signal
import socket

import pytest

from tests.pictures import jpeg, write, write_slow
from tests.project import Project


def test_it_follows_whatever_happens_to_files_and_folders(project: Project) -> None:
    write(project.dataset / "a/1.jpg", 1)
    project.start()
    project.wait_indexed(1)

    write(project.dataset / "a/2.jpg", 2)
    write(project.dataset / "new/deep/3.jpg", 3)
    project.wait_indexed(3)

    (project.dataset / "new").rename(project.dataset / "renamed")
    write(project.dataset / "renamed/deep/4.jpg", 4)
    project.wait_indexed(4)

    write(project.folder / "outside/5.jpg", 5)
    (project.folder / "outside").rename(project.dataset / "inside")
    project.wait_indexed(5)
    write(project.dataset / "inside/6.jpg", 6)
    project.wait_indexed(6)

    write(project.dataset / "a/1.jpg", 11)
    (project.dataset / "a/2.jpg").unlink()
    shutil.rmtree(project.dataset / "inside")
    project.wait_indexed(3)
    project.wait(lambda: project.cli("verify", "--content", code=None).returncode == 0)
    assert project.embedded_total() == 7
    assert project.stop() == 0
    assert project.json("status")["state"] == "stopped"


@pytest.mark.slow
def test_moves_and_copies_cost_no_embedding(project: Project) -> None:
    for n in range(20):
        write(project.dataset / f"a/{n}.jpg", n)
    project.start()
    project.wait_indexed(20)
    (project.dataset / "a").rename(project.dataset / "b")
    shutil.copytree(project.dataset / "b", project.dataset / "c")
    project.wait_indexed(40)
    shutil.move(project.dataset / "c", project.folder / "c")
    project.wait_indexed(20)
    shutil.move(project.folder / "c", project.dataset / "d")
    project.wait_indexed(40)
    project.wait(lambda: project.cli("verify", code=None).returncode == 0)
    assert project.embedded_total() == 20


def test_a_second_daemon_is_refused_by_name(project: Project) -> None:
    project.start()
    result = project.process("daemon")
    assert result.returncode == 1
    assert project.daemon is not None
    assert f"process {project.daemon.pid}" in result.stderr
    project.configure(state="./other-state")
    assert "Another daemon" in project.process("daemon").stderr, "the store has its own lock"


def test_commands_go_through_the_running_daemon(project: Project) -> None:
    project.configure(watch={"settle_seconds": 3})
    project.start()
    socket_file = project.folder / "var/state/daemon/control.sock"
    assert socket_file.exists()
    write(project.dataset / "2.jpg", 2)
    # As long as it is open the daemon itself waits for all of the 3 s.
    with (project.dataset / "1.jpg").open("wb", buffering=0) as still_open:
        still_open.write(jpeg(1))
        result = project.json("sync", project.dataset / "1.jpg", code=None)
    assert result["written"] + len(result["failed"]) == 1
    assert project.cli("forget", "nowhere", code=2).stderr.startswith("No root")
    with socket.socket(socket.AF_UNIX) as client:
        with contextlib.chdir(socket_file.parent):  # its whole path may be too long for a socket
            client.connect(socket_file.name)
        client.sendall(b'{"command": "sync", "paths": "rubbish"}\n')
        assert "knows no command" in client.makefile().readline()
    project.wait(lambda: project.status()["state"] == "watching")


@pytest.mark.slow
def test_a_command_in_the_middle_of_a_scan_costs_the_scan_nothing(project: Project) -> None:
    write_slow(project.dataset, 300)
    project.launch()
    project.wait(lambda: project.embedded() > 0)
    assert project.status()["state"] == "scanning"
    assert project.json("sync", project.dataset / "000.jpg")["failed"] == []
    project.wait_indexed(300)
    assert project.embedded_total() == 300
    project.cli("verify")


def test_sigkill_leaves_an_index_that_the_next_start_completes(project: Project) -> None:
    for n in range(60):
        write(project.dataset / f"{n}.jpg", n)
    project.start()
    project.stop(signal.SIGKILL)
    write(project.dataset / "60.jpg", 60)
    (project.dataset / "0.jpg").unlink()
    project.start()
    project.wait_indexed(60)
    project.cli("verify", "--content")
    assert project.embedded_total() == 61
    assert project.stop() == 0


@pytest.mark.slow
def test_a_stop_in_the_middle_of_the_first_scan_is_clean(project: Project) -> None:
    write_slow(project.dataset, 300)
    project.launch()
    project.wait(lambda: project.embedded() > 0)
    assert project.stop(signal.SIGINT) == 0
    assert project.json("status")["indexed"] < 300, "it did not go on to the end"
    assert project.json("sync")["failed"] == []
    verified = project.json("verify")
    assert verified["indexed"] == 300
    assert 300 <= project.json("status")["embedded_total"] < 500, "what was in flight, at most"


def test_a_root_that_vanishes_is_suspended_and_comes_back(project: Project) -> None:
    for n in range(3):
        write(project.dataset / f"{n}.jpg", n)
    project.start()
    project.wait_indexed(3)
    project.dataset.rename(project.folder / "away")
    project.wait(lambda: project.status()["state"] == "suspended")
    assert "cannot be read" in project.status()["roots"]["dataset"]["reason"]
    assert len(project.json("search", project.folder / "away/1.jpg")["matches"]) == 3
    project.dataset.mkdir()
    project.wait(
        lambda: "lookalike adopt dataset" in (project.status()["roots"]["dataset"]["reason"] or "")
    )
    assert project.status()["state"] == "suspended"
    project.dataset.rmdir()
    (project.folder / "away").rename(project.dataset)
    project.wait(lambda: project.status()["state"] == "watching")
    write(project.dataset / "3.jpg", 3)
    project.wait_indexed(4)
    assert project.embedded_total() == 4
    project.wait(lambda: project.cli("verify", code=None).returncode == 0)


@pytest.mark.slow
def test_a_root_that_is_missing_at_start_is_waited_for(project: Project) -> None:
    project.dataset.rmdir()
    project.start()
    assert project.status()["state"] == "suspended"
    project.dataset.mkdir()
    write(project.dataset / "1.jpg", 1)
    project.wait_indexed(1)
    write(project.dataset / "2.jpg", 2)
    project.wait_indexed(2)


def test_one_bad_file_does_not_stop_the_rest(project: Project) -> None:
    project.start()
    (project.dataset / "bad.jpg").write_bytes(jpeg(1)[:200])
    write(project.dataset / "good.jpg", 2)
    project.wait_indexed(1)
    project.wait(lambda: project.status()["rejected"] == 1)
    (project.dataset / "bad.jpg").write_bytes(jpeg(1))
    project.wait_indexed(2)
    project.wait(lambda: project.status()["rejected"] == 0)


def test_what_the_daemon_says_as_json_is_json(project: Project) -> None:
    project.configure(log={"format": "json"})
    project.start()
    project.stop()
    lines = [json.loads(line) for line in project.log().splitlines()]
    assert {"time", "level", "logger", "message"} <= lines[0].keys()


@pytest.mark.slow
def test_the_fallback_is_announced_and_gives_way(project: Project) -> None:
    """No weights anywhere: the daemon answers with the preview and says so."""
    project.environ |= {"HF_HUB_OFFLINE": "1", "HF_HOME": str(project.folder / "hf")}
    project.configure(model={"name": "dinov2_vits14"})
    write(project.dataset / "1.jpg", 1)
    project.start()
    project.wait_indexed(1)
    status = project.status()
    assert status["model"].startswith("colour-layout/")
    assert any(p.startswith("Preview:") and "LOOKALIKE_WEIGHTS" in p for p in status["problems"])
    assert "Preview" in project.cli("search", project.dataset / "1.jpg").stderr
    project.stop()
    project.configure(model={"name": "dinov2_vits14", "fallback": None})
    result = project.process("daemon")
    assert result.returncode == 78
    assert "LOOKALIKE_WEIGHTS" in result.stderr
