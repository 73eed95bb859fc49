"""/healthz, /readyz and /metrics of the real daemon, and what they say when it is unwell."""

import re
import signal
import socket
import time

import pytest

from tests.health import Told, ask, free_port, series
from tests.pictures import write
from tests.project import Project


@pytest.fixture
def address(project: Project) -> str:
    address = f"127.0.0.1:{free_port()}"
    project.configure(daemon={"metrics": address})
    return address


def test_a_working_daemon_tells_what_it_does(project: Project, address: str) -> None:
    for n in range(3):
        write(project.dataset / f"secret-name-{n}.jpg", n)
    (project.dataset / "broken.png").write_bytes(b"no picture")
    (project.dataset / "notes.txt").write_text("hello")
    project.start()
    project.wait_indexed(3)
    assert ask(address, "/healthz") == ask(address, "/readyz") == Told(200, '{"status": "ok"}\n')
    text = ask(address, "/metrics").text
    told = series(text)
    expected = {
        'lookalike_rows{root="dataset"}': 3,
        'lookalike_root_suspended{root="dataset"}': 0,
        'lookalike_state{state="watching"}': 1,
        'lookalike_state{state="scanning"}': 0,
        "lookalike_embedded_total": 3,
        "lookalike_decode_seconds_count": 4,  # the broken one, too
        "lookalike_decoded_total": 4,
        'lookalike_store_rows_total{operation="write"}': 3,
        'lookalike_store_errors_total{operation="write"}': 0,
        "lookalike_files_total": 4,
        "lookalike_rejected": 1,
        "lookalike_skipped": 1,
        "lookalike_held_deletions": 0,
        "lookalike_queue_lag_seconds": 0,
        "lookalike_pending": 0,
        "lookalike_problems": 0,
    }
    assert {name: told[name] for name in expected} == expected
    assert told["lookalike_embed_seconds_sum"] > 0
    assert abs(time.time() - told["lookalike_last_scan_timestamp_seconds"]) < 60
    assert told["lookalike_last_scan_duration_seconds"] > 0
    assert told["process_resident_memory_bytes"] > 1e6
    # Nothing of the machine and of people's files.
    assert str(project.folder) not in text
    assert "secret-name" not in text
    labels = set(re.findall(r'(\w+)="', text))
    assert labels <= {"root", "state", "operation", "le"}

    (project.dataset / "secret-name-0.jpg").unlink()
    project.wait_indexed(2)
    told = series(ask(address, "/metrics").text)
    assert told['lookalike_store_rows_total{operation="delete"}'] == 1
    assert told["lookalike_embedded_total"] == 3


def test_who_may_ask(project: Project, address: str) -> None:
    project.environ["LOOKALIKE_WEB_TOKEN"] = "open-sesame"
    project.launch()
    project.wait(lambda: answers(address))
    assert ask(address, "/metrics").status == 401
    assert ask(address, "/metrics", Authorization="Bearer wrong").status == 401
    told = ask(address, "/metrics", Authorization="Bearer open-sesame")
    assert "lookalike_files_total" in told.text
    # A page elsewhere whose name points here, see "DNS rebinding".
    assert ask(address, "/healthz", Host="elsewhere.example").status == 400
    assert ask(address, "/etc/passwd", Authorization="Bearer open-sesame").status == 404


def test_other_machines_may_ask_only_with_a_key(project: Project) -> None:
    project.configure(daemon={"metrics": f"0.0.0.0:{free_port()}"})
    refused = project.process("daemon")
    assert refused.returncode == 78
    assert refused.stderr.startswith("daemon.metrics: 0.0.0.0 lets other machines in")


@pytest.mark.slow
def test_many_silent_callers_shut_nobody_out_for_long(project: Project, address: str) -> None:
    project.start()
    host, _, port = address.partition(":")
    silent = [socket.create_connection((host, int(port))) for _ in range(40)]
    project.wait(lambda: answers(address))
    for caller in silent:
        caller.close()


@pytest.mark.slow
def test_a_missing_root_is_not_ready(project: Project, address: str) -> None:
    write(project.dataset / "a.jpg", 1)
    project.start()
    project.wait_indexed(1)
    project.dataset.rename(project.folder / "away")
    project.wait(lambda: ask(address, "/readyz").status == 503)
    told = ask(address, "/readyz").text
    assert "dataset" in told
    assert str(project.folder) not in told
    assert ask(address, "/healthz").status == 200
    assert series(ask(address, "/metrics").text)['lookalike_root_suspended{root="dataset"}'] == 1
    (project.folder / "away").rename(project.dataset)
    project.wait(lambda: ask(address, "/readyz").status == 200)


def test_a_stopped_process_does_not_look_healthy(project: Project, address: str) -> None:
    project.start()
    assert project.daemon is not None
    assert ask(address, "/healthz").status == 200
    project.daemon.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(OSError, match="timed out"):
            ask(address, "/healthz", seconds=0.5)
    finally:
        project.daemon.send_signal(signal.SIGCONT)
    project.wait(lambda: answers(address))


def answers(address: str) -> bool:
    try:
        return ask(address, "/healthz", seconds=2).status == 200
    except OSError:
        return False
