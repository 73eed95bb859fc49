"""What the real parts say, as people, the journal and machines read it."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from core.logs import escape
from tests.health import free_port
from tests.pictures import write
from tests.project import TOP, Project

FORGED = "a\n<2>23:59:59 CRITICAL forged\x1b[31m\u202egpj.png"

SPEAKER = """
import logging, sys, threading, warnings
from core.config import Log
from core.logs import catch_everything, set_up_logging
set_up_logging(Log(format=sys.argv[1]))
catch_everything()
name = "a\\n<2>23:59:59 CRITICAL forged\\x1b[31m\\u202egpj.png"
logging.getLogger("daemon.sync").info("Looked at %s", name)
logging.getLogger("daemon.sync").debug("not asked for")
logging.getLogger("uvicorn.error").info("of no use")
logging.getLogger("discord.gateway").warning("late")
warnings.warn("old " + name)
try:
    open("/nonexistent/" + name)
except OSError:
    logging.getLogger("web").exception("An error with %s", name)
threading.Thread(target=lambda: 1 / 0).start()
raise ValueError(name)
"""


def speak(form: str, **environ: str) -> list[str]:
    said = subprocess.run(
        [sys.executable, "-c", SPEAKER, form],
        cwd=TOP,
        env=os.environ | environ,
        stderr=subprocess.PIPE,
        check=False,
    )
    assert said.returncode == 1
    return said.stderr.decode().splitlines()


def test_json_is_one_event_a_line_whoever_speaks() -> None:
    events = [json.loads(line) for line in speak("json")]
    assert [(event["logger"], event["level"]) for event in events] == [
        ("daemon.sync", "info"),
        ("discord.gateway", "warning"),
        ("py.warnings", "warning"),
        ("web", "error"),
        ("core.logs", "critical"),
        ("core.logs", "critical"),
    ]
    assert events[0]["message"] == f"Looked at {FORGED}"
    assert "FileNotFoundError" in events[3]["exception"]
    assert "ZeroDivisionError" in events[4]["exception"]
    assert all(event["time"].endswith("Z") for event in events)


def test_text_begins_every_event_with_its_time_and_nothing_else_does() -> None:
    lines = speak("auto", JOURNAL_STREAM="1:2")  # inherited: stderr leads elsewhere
    begun = [line for line in lines if not line.startswith("  ")]
    assert [line.split()[1] for line in begun] == [
        "INFO", "WARNING", "WARNING", "ERROR", "CRITICAL", "CRITICAL",
    ]  # fmt: skip
    assert begun[0].endswith(r"Looked at a\n<2>23:59:59 CRITICAL forged\x1b[31m\u202egpj.png")
    assert not any("\x1b" in line or "\u202e" in line for line in lines)


def test_the_journal_gets_priorities_and_no_second_date() -> None:
    ours, theirs = socket.socketpair()
    status = os.fstat(theirs.fileno())
    with ours, theirs:
        subprocess.run(
            [sys.executable, "-c", SPEAKER, "auto"],
            cwd=TOP,
            env=os.environ | {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"},
            stderr=theirs,
            check=False,
        )
        lines = ours.recv(1 << 20).decode().splitlines()
    assert lines[0].startswith(r"<6>Looked at a\n<2>23:59:59")
    assert lines[1] == "<4>late"
    assert {line[:3] for line in lines} == {"<6>", "<4>", "<3>", "<2>"}
    assert all(line.startswith("<2>  ") for line in lines if "forged" in line and line[:3] == "<2>")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ümläut, 図", "plain, ümläut, 図"),
        ("a\tb\r\n", r"a\tb\r\n"),
        ("\x9b31m\u2028", r"\x9b31m\u2028"),
        ("\udcff", r"\udcff"),
    ],
)
def test_what_could_mislead_is_shown_as_what_it_is(text: str, shown: str) -> None:
    assert escape(text) == shown


@pytest.mark.slow
def test_all_parts_together_say_only_json(project: Project) -> None:
    write(project.dataset / "a.jpg", 1)
    (project.dataset / "bad\nname.png").write_bytes(b"no picture")
    port = free_port()
    project.configure(log={"format": "json", "level": "debug"}, web={"port": port})
    project.environ |= {
        "DISCORD_TOKEN": "x",
        "DISCORD_API_BASE": "http://127.0.0.1:9/api/v10",
        "DISCORD_GATEWAY_URL": "ws://127.0.0.1:9",
    }
    with (project.folder / "daemon.log").open("w") as log:
        running = subprocess.Popen(project.command("up"), cwd=TOP, env=project.environ, stderr=log)
    try:
        project.wait(lambda: project.status().get("rejected") == 1)
        project.wait(lambda: "The page is at" in (project.folder / "daemon.log").read_text())
        project.wait(lambda: "bot.session" in (project.folder / "daemon.log").read_text())
    finally:
        running.send_signal(signal.SIGTERM)
        assert running.wait(20) == 0
    events = [json.loads(x) for x in (project.folder / "daemon.log").read_text().splitlines()]
    speakers = {event["logger"].partition(".")[0] for event in events}
    assert {"daemon", "bot", "core"} <= speakers
    assert any("bad\\x0aname.png" in event["message"] for event in events)


def test_an_end_at_the_start_is_an_event_too(project: Project) -> None:
    project.configure(log={"format": "json"}, web={"host": "0.0.0.0"})
    refused = project.process("web")
    assert refused.returncode == 78
    assert "LOOKALIKE_WEB_PASSWORD" in json.loads(refused.stderr)["message"]
