"""The unit files: sound, hardened, explained; and what `install-service` makes of them."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from cli.units import Site, fill_in
from core.config import load_config
from tests.project import TOP, Project, Result

PARTS = ("daemon", "web", "bot", "model")
UNITS = TOP / "systemd"
HOME = "/home/some one"

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="no systemd-analyze (Debian: systemd)"
)


def lines_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def verify(files: list[Path], tmp_path: Path, *, user: bool = False) -> str:
    """What systemd has to say against the files: nothing, if all is well."""
    command = ["systemd-analyze", *(["--user"] if user else []), "verify", "--man=no"]
    environ = os.environ | {"XDG_RUNTIME_DIR": str(tmp_path), "SYSTEMD_LOG_LEVEL": "warning"}
    done = subprocess.run(
        [*command, *map(str, files)], env=environ, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr + ("" if done.returncode == 0 else f"rc {done.returncode}")


def exposure(unit: Path) -> float:
    done = subprocess.run(
        [
            "systemd-analyze",
            "security",
            "--offline=true",
            "--no-pager",
            "--threshold=15",
            str(unit),
        ],
        env=os.environ | {"LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done
    assert done.returncode == (float(found[1]) > 1.5), done
    return float(found[1])


@pytest.mark.parametrize("part", PARTS)
def test_every_line_of_a_unit_is_explained(part: str) -> None:
    """A comment stands above each, or above the lines right before it that it is about."""
    text = (UNITS / f"lookalike-{part}.service").read_text()
    service = text.partition("[Service]")[2].partition("[Install]")[0]
    for block in service.strip().split("\n\n"):
        run = 0
        for line in block.splitlines():
            run = 0 if line.startswith("#") else run + 1
            assert run <= 8, line
        assert block.startswith("#"), block


@pytest.mark.parametrize("part", PARTS)
def test_a_unit_writes_where_its_part_does_and_nowhere_else(part: str) -> None:
    lines = lines_of((UNITS / f"lookalike-{part}.service").read_text())
    lib = "/var/lib/lookalike"
    writable = {
        "daemon": [f"ReadWritePaths={lib}/index {lib}/state/daemon"],
        "web": [],
        "bot": [f"ReadWritePaths={lib}/state/bot"],
        "model": [f"ReadWritePaths={lib}/state/model"],
    }
    assert [line for line in lines if line.startswith("ReadWritePaths=")] == writable[part]
    assert {"ProtectSystem=strict", "ProtectHome=read-only"} <= set(lines)
    assert not any(line.startswith("MemoryDenyWriteExecute") for line in lines)
    assert {"TimeoutStopSec=15", "KillMode=mixed", "RestartPreventExitStatus=78"} <= set(lines)
    assert {"Type=notify", "NotifyAccess=main", "WatchdogSec=120"} <= set(lines)


HARDENING = {
    "AmbientCapabilities=", "CapabilityBoundingSet=", "DevicePolicy=closed", "KeyringMode=private",
    "LockPersonality=yes", "NoNewPrivileges=yes", "PrivateMounts=yes", "PrivateTmp=yes",
    "PrivateUsers=yes", "ProtectClock=yes", "ProtectControlGroups=yes", "ProtectHome=read-only",
    "ProtectHostname=yes", "ProtectKernelLogs=yes", "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes", "ProtectProc=invisible", "ProtectSystem=strict", "RemoveIPC=yes",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6", "RestrictNamespaces=yes",
    "RestrictRealtime=yes", "RestrictSUIDSGID=yes", "SystemCallArchitectures=native",
    "SystemCallErrorNumber=EPERM", "SystemCallFilter=@system-service",
    "SystemCallFilter=~@privileged", "UMask=0077", "User=lookalike", "Group=lookalike",
    "LimitNOFILE=65536",
}  # fmt: skip
"""What no unit may lose; some of it is implied by the rest, and no probe would miss it."""
MORE = {
    "daemon": {"MemoryMax=80%", "TasksMax=512"},
    "model": {"MemoryMax=80%", "TasksMax=512"},
    "bot": {"MemoryMax=50%", "TasksMax=256", "PrivateDevices=yes"},
    "web": {"MemoryMax=50%", "TasksMax=256", "PrivateDevices=yes", "IPAddressDeny=any",
            "IPAddressAllow=localhost"},
}  # fmt: skip


@pytest.mark.parametrize("part", PARTS)
def test_a_unit_has_every_line_of_the_hardening(part: str) -> None:
    lines = lines_of((UNITS / f"lookalike-{part}.service").read_text())
    assert (HARDENING | MORE[part]) - set(lines) == set()


@needs_systemd
@pytest.mark.parametrize("part", PARTS)
def test_a_unit_is_hardened(part: str) -> None:
    assert exposure(UNITS / f"lookalike-{part}.service") <= 1.5


@needs_systemd
def test_the_measure_of_hardening_sees_a_naive_unit(tmp_path: Path) -> None:
    unit = tmp_path / "naive.service"
    unit.write_text("[Service]\nExecStart=/bin/true\n")
    assert exposure(unit) > 9


@needs_systemd
def test_the_units_are_sound(tmp_path: Path) -> None:
    """With the interpreter that is here in place of the one in /opt."""
    files = []
    for unit in [UNITS / "lookalike.target", *UNITS.glob("*.service")]:
        files.append(tmp_path / unit.name)
        text = unit.read_text().replace("/opt/lookalike/.venv/bin/python", sys.executable)
        files[-1].write_text(text)
    assert len(files) == 5
    assert verify(files, tmp_path) == ""
    files[0].write_text(files[0].read_text() + "NoSuchKey=1\n")
    assert "NoSuchKey" in verify(files, tmp_path)


def test_the_units_are_part_of_what_pip_installs() -> None:
    settings = tomllib.loads((TOP / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert settings["data-files"] == {"share/lookalike/systemd": ["systemd/*"]}


# ---- install-service ------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "a project")
    made.environ |= {"HOME": HOME}
    made.environ.pop("XDG_CONFIG_HOME", None)
    return made


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def install(project: Project, root: Path, *more: str, code: int = 0) -> Result:
    return project.cli("install-service", "--root", root, *more, code=code)


def tree(root: Path) -> dict[str, str]:
    files = (path for path in root.rglob("*") if path.is_symlink() or path.is_file())
    return {str(p.relative_to(root)): "" if p.is_symlink() else p.read_text() for p in files}


def units(root: Path, *, user: bool = False) -> list[Path]:
    folder = HOME[1:] + "/.config/systemd/user" if user else "etc/systemd/system"
    return sorted(path for path in (root / folder).glob("lookalike*") if path.is_file())


@needs_systemd
@pytest.mark.parametrize("user", [False, True], ids=["system", "user"])
def test_what_is_installed_is_sound_hardened_and_its_own(
    project: Project, root: Path, tmp_path: Path, *, user: bool
) -> None:
    install(project, root, "--yes", "--bot", *(["--user"] if user else []))
    installed = units(root, user=user)
    assert {"lookalike.target", "lookalike-bot.service", "lookalike-daemon.service"} <= {
        path.name for path in installed
    }
    assert verify(installed, tmp_path, user=user) == ""
    if not user:  # the measure takes a person's unit, which names no user, for root's
        assert all(exposure(unit) <= 1.5 for unit in installed if unit.suffix == ".service")
    text = next(unit for unit in installed if "daemon" in unit.name).read_text()
    assert f"ExecStart={sys.executable} -m cli --config" in text
    wants = "default.target.wants" if user else "multi-user.target.wants"
    assert (installed[0].parent / wants / "lookalike.target").is_symlink()
    if user:
        assert f'ReadWritePaths="{project.folder}/var/index" "{project.folder}/var/state' in text
        assert "User=" not in text
        assert "/etc/lookalike" not in text


def test_a_system_keeps_its_things_where_systems_do(project: Project, root: Path) -> None:
    install(project, root, "--yes")
    config = load_config(root / "etc/lookalike/config.yaml", {})
    assert config.roots == {"dataset": project.dataset}
    assert config.store == "lancedb:/var/lib/lookalike/index"
    assert config.state == Path("/var/lib/lookalike/state")
    assert config.watch.settle_seconds == 0.2
    assert "bot" not in yaml.safe_load((root / "etc/lookalike/config.yaml").read_text())
    folders = (root / "etc/tmpfiles.d/lookalike.conf").read_text()
    assert 'd "/var/lib/lookalike/state/daemon" 0750 lookalike lookalike -' in folders


def test_a_second_run_changes_nothing_and_keeps_the_configuration(
    project: Project, root: Path
) -> None:
    install(project, root, "--yes", "--bot")
    before = tree(root)
    again = install(project, root, "--yes")  # the bot stays, once it is there
    assert tree(root) == before
    assert "write " not in again.stderr
    config = root / "etc/lookalike/config.yaml"
    mine = json.loads(json.dumps(yaml.safe_load(config.read_text()))) | {"state": "/srv/state"}
    config.write_text(yaml.safe_dump(mine))
    install(project, root, "--yes")
    assert yaml.safe_load(config.read_text()) == mine
    assert "/srv/state/daemon" in (units(root)[1]).read_text()


@pytest.mark.parametrize("user", [False, True], ids=["system", "user"])
def test_an_uninstallation_leaves_nothing_of_ours_but_the_data(
    project: Project, root: Path, *, user: bool
) -> None:
    more = ["--user"] if user else []
    install(project, root, "--yes", "--bot", *more)
    install(project, root, "--yes", "--uninstall", *more)
    assert list(tree(root)) == ([] if user else ["etc/lookalike/config.yaml"])
    again = install(project, root, "--yes", "--uninstall", *more)
    assert again.stderr == "No service of Lookalike is installed there.\n"


@pytest.mark.parametrize("answer", ["n\n", "", "\n"])
def test_a_question_that_is_declined_changes_nothing(
    project: Project, root: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    shown = install(project, root, code=1).stderr
    assert not root.exists()
    assert "lookalike-daemon.service" in shown
    assert "multi-user.target.wants/lookalike.target" in shown
    assert shown.endswith("[y/N] Nothing was changed.\n")
    install(project, root, "--yes")
    before = tree(root)
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    install(project, root, "--uninstall", code=1)
    assert tree(root) == before


def test_without_systemctl_there_is_one_sentence_and_nothing_else(
    project: Project, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    project.environ |= {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path / "home")}
    for more in ([], ["--uninstall"]):
        said = project.cli("install-service", "--user", "--yes", *more, code=1)
        assert said.stderr.count("\n") == 1
        assert said.stderr.startswith("There is no systemctl here")
    assert not (tmp_path / "home").exists()


def test_a_manager_that_is_not_reached_is_one_sentence_and_nothing_else(
    project: Project, tmp_path: Path
) -> None:
    """The systemctl of a machine that was not started by systemd, word for word."""
    home, tools = tmp_path / "home", tmp_path / "bin"
    tools.mkdir()
    (tools / "systemctl").write_text(
        "#!/bin/sh\necho 'System has not been booted with systemd as init system' >&2\nexit 1\n"
    )
    (tools / "systemctl").chmod(0o755)
    project.environ |= {"PATH": str(tools), "HOME": str(home)}
    said = project.cli("install-service", "--user", "--yes", code=1)
    assert said.stderr.count("\n") == 1
    assert "has not been booted with systemd" in said.stderr
    assert not home.exists()
    assert not (project.folder / "var").exists()


@pytest.mark.parametrize(
    ("settings", "closed"),
    [
        ({}, True),
        ({"web": {"host": "0.0.0.0"}}, False),
        ({"web": {"host": "::1"}, "store": "weaviate://localhost:8080"}, True),
        ({"store": "weaviate://[::1]:8080"}, True),
        ({"store": "weaviate://db.example:8080"}, False),
    ],
)
def test_the_page_is_closed_off_where_it_talks_to_this_machine_alone(
    project: Project, settings: dict[str, object], *, closed: bool
) -> None:
    project.configure(**settings)
    project.command()
    file = project.folder / "config.yaml"
    site = Site(python=Path("/p"), config_file=file, config=load_config(file, {}), user=False)
    assert ("IPAddressDeny=any" in fill_in("web", site).splitlines()) == closed
