"""doctor finds what was planted, says what to do, and finds nothing where all is well."""

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from cli.doctor.clock import check as check_clock
from cli.doctor.examination import Check, examine
from cli.doctor.facts import Facts
from cli.doctor.findings import Finding, from_error, ok
from cli.doctor.tree import Tree
from core.config import load_config
from core.errors import AppError
from tests.cli.planted import PLANTS, Case, Expected, discord, weaviate
from tests.pictures import write
from tests.project import TOP, Project
from tests.weaviate_server import READER_KEY


@pytest.fixture
def case(project: Project, request: pytest.FixtureRequest) -> Iterator[Case]:
    for n in range(6):
        write(project.dataset / f"a/{n}.jpg", n)
    for name in ("DISCORD_TOKEN", "DISCORD_TOKEN_FILE", "WEAVIATE_API_KEY"):
        project.environ.pop(name, None)
    project.configure(web={"port": 0})
    with ExitStack() as stack:
        yield Case(project, request.getfixturevalue, stack)


def listed(findings: list[dict[str, str]], level: str) -> list[dict[str, str]]:
    return [finding for finding in findings if finding["level"] == level]


@pytest.mark.slow
@pytest.mark.parametrize(
    "plants", PLANTS, ids=lambda plants: "+".join(plant.__name__ for plant in plants)
)
def test_what_is_planted_is_found(
    case: Case, plants: tuple[Callable[[Case], Expected], ...]
) -> None:
    planted = [plant(case) for plant in plants]
    problems = listed(case.doctor(code=1), "problem")
    for check, found, do in planted:
        assert [
            finding
            for finding in problems
            if finding["check"] == check and found in finding["found"] and do in finding["do"]
        ], (check, found, do, problems)


def test_nothing_is_found_where_all_is_well(case: Case) -> None:
    case.project.cli("sync")
    server = discord(case)
    case.project.configure(bot={"channels": [300000000000000001]})
    findings = case.doctor(code=0)
    assert listed(findings, "problem") == []
    told = {finding["check"]: finding["found"] for finding in findings}
    assert told.keys() == {
        "configuration", "root dataset", "inotify", "permissions", "model", "store", "forecast",
        "daemon", "discord", "ports", "clock",
    }  # fmt: skip
    assert "6 rows of colour-layout/" in told["store"]
    assert case.document["measured"]["pictures"] == 6
    assert case.document["measured"]["folders"] == 2
    assert case.document["measured"]["images_per_second"] > 0
    assert server.violations == []
    assert server.gateway.said == [], "no session was opened"


@pytest.mark.slow
def test_beside_a_running_daemon_nothing_is_disturbed(case: Case) -> None:
    case.project.start()
    case.project.wait_indexed(6)
    case.unchanged = False
    findings = case.doctor(code=0)
    assert any("The daemon runs as process" in finding["found"] for finding in findings)
    write(case.project.dataset / "new.jpg", 99)
    case.project.wait_indexed(7)
    assert "Traceback" not in case.project.log()
    assert case.project.stop() == 0


def test_a_wrong_configuration_is_a_sentence_and_78(project: Project) -> None:
    project.configure(nonsense=1)
    result = project.cli("doctor", "--json", code=78)
    assert result.stdout == ""
    assert "nonsense: there is no such setting" in result.stderr


def test_people_read_the_same_in_a_terminal(case: Case) -> None:
    case.project.dataset.rename(case.project.folder / "away")
    shown = case.project.cli("doctor", code=1).stdout
    assert "\nroot dataset\n  problem  " in shown
    assert "\n           → Make the folder, mount its disk" in shown
    assert "1 problem, " in shown.splitlines()[-1]
    assert all(line == line.rstrip() for line in shown.splitlines())


def test_a_key_that_only_reads_is_a_note(case: Case) -> None:
    weaviate(case, READER_KEY)
    notes = listed(case.doctor(code=0), "note")
    assert any("may read and not write" in finding["found"] for finding in notes)


def test_a_server_of_weaviate_is_healthy(case: Case) -> None:
    weaviate(case)
    case.project.cli("sync")
    findings = case.doctor(code=0)
    assert any("6 rows of colour-layout" in finding["found"] for finding in findings)
    assert not any("may read" in finding["found"] for finding in findings)


@pytest.mark.slow
def test_our_own_page_may_hold_the_port(case: Case) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    case.project.configure(web={"port": port})
    with subprocess.Popen(case.project.command("web"), stderr=subprocess.PIPE) as web:
        assert web.stderr is not None
        assert b"The page is at" in web.stderr.readline()
        case.unchanged = False
        findings = case.doctor(code=0)
        web.terminate()
    assert any(f"127.0.0.1:{port} serves our page" in finding["found"] for finding in findings)


# ---- without the command ------------------------------------------------------------------------


@pytest.fixture
def facts(project: Project) -> Facts:
    project.command()
    file = project.folder / "config.yaml"
    return Facts(file, load_config(file, {}), lambda *_: None)


def test_no_check_stops_the_others(facts: Facts) -> None:
    end = threading.Event()

    def breaks(_facts: Facts) -> Iterator[Finding]:
        yield ok("Something.")
        raise RuntimeError("a mistake\nof ours")

    def hangs(facts: Facts) -> Iterator[Finding]:
        facts.show("Looking at a dead disk", 0, None)
        end.wait()
        yield ok("Never.")

    checks = [Check("breaks", breaks), Check("hangs", hangs, 0.05), Check("fine", lambda _: [])]
    found = dict(examine(facts, checks))
    end.set()
    assert [finding.level for finding in found["breaks"]] == ["ok", "problem"]
    assert "RuntimeError: a mistake of ours" in found["breaks"][1].found
    assert "Looking at a dead disk: nothing moved" in found["hangs"][0].found
    assert found["fine"] == []


def test_slow_is_not_dead(facts: Facts) -> None:
    pause = threading.Event()

    def works(facts: Facts) -> Iterator[Finding]:
        for done in range(8):
            facts.show("Counting", done, None)
            pause.wait(0.05)
        yield ok("Counted.")

    [(_, found)] = examine(facts, [Check("slow", works, 0.2)])
    assert found == [ok("Counted.")]


def test_a_clock_that_went_back_is_found(facts: Facts) -> None:
    facts.trees["dataset"] = Tree(latest_ns=1_000_000 * 10**9)
    assert [f.level for f in check_clock(facts, lambda: 1_000_005)] == ["ok"]
    [found] = check_clock(facts, lambda: 1_000_000 - 3600)
    assert (found.level, "60 min in the future" in found.found) == ("problem", True)
    facts.trees.clear()
    facts.server_seconds = -90.0
    [found] = check_clock(facts, lambda: 1_000_000)
    assert (found.level, "90 s behind" in found.found) == ("note", True)


@pytest.mark.parametrize(
    ("sentence", "found", "do"),
    [
        ("It is so. Please do this.", "It is so.", "Do this."),
        ("web.host: open; set A or B.", "web.host: open.", "Set A or B."),
        ("It is\n so: a is missing; b is too.", "It is so: a is missing; b is too.", "Else."),
        ("/a.B c is shut. Do x. Do y.", "/a.B c is shut.", "Do x. Do y."),
    ],
)
def test_errors_are_taken_apart(sentence: str, found: str, do: str) -> None:
    assert from_error(AppError(sentence), "Else.") == Finding("problem", found, do)


@pytest.mark.slow
def test_a_share_is_a_note_that_says_what_it_means(case: Case) -> None:
    served = case.project.dataset.rename(case.project.folder / "served")
    case.project.dataset.mkdir()
    serving = [sys.executable, TOP / "tests/faults/share.py", served, case.project.dataset, "none"]
    with subprocess.Popen(
        case.inside().command(*serving, "fold"), stdout=subprocess.PIPE
    ) as server:
        assert server.stdout is not None
        if not server.stdout.readline():
            pytest.skip("this kernel, or the owner of /dev/fuse, permits no mounts through FUSE")
        [note] = [n for n in listed(case.doctor(code=0), "note") if n["check"] == "root dataset"]
        server.kill()
    assert "is on fuse.share" in note["found"]
    assert "IMG.jpg and img.jpg are one file" in note["found"]
    assert "every 5 minutes" in note["do"]
