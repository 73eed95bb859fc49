"""What `lookalike install-service` writes, decided before anything is done."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.units import TARGET, Site, fill_in, source_folder, target, writable
from core.config import Config, load_config

SYSTEM_CONFIG = Path("/etc/lookalike/config.yaml")
_DATA = Path("/var/lib/lookalike")
_SYSUSERS = Path("/etc/sysusers.d/lookalike.conf")
_TMPFILES = Path("/etc/tmpfiles.d/lookalike.conf")
_PARTS = ("daemon", "web", "bot", "model")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that an installation consists of."""

    files: dict[Path, str]
    """Ours alone: an uninstallation removes them."""
    configuration: dict[Path, str]
    """Made once, where there is none, and never touched again."""
    folders: list[Path]
    """Of a person's service; a system's are made by systemd-tmpfiles."""
    commands: list[list[str]]
    """Between writing the files and starting."""
    units: list[str]
    links: dict[Path, Path]
    """What enabling the units makes, for a system that does not run now."""


def unit_folder(environ: Mapping[str, str], *, user: bool) -> Path:
    """Where an administrator's, or a person's, own units belong."""
    if not user:
        return Path("/etc/systemd/system")
    home = environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "~")).expanduser() / ".config"
    return Path(home) / "systemd" / "user"


def ours(environ: Mapping[str, str], *, user: bool) -> list[Path]:
    """Every file that any installation of ours may have written."""
    folder = unit_folder(environ, user=user)
    units = [folder / name for name in (TARGET, *(f"lookalike-{p}.service" for p in _PARTS))]
    return units if user else [*units, _SYSUSERS, _TMPFILES]


def plan(
    config_file: Path,
    python: Path,
    environ: Mapping[str, str],
    root: Path,
    *,
    user: bool,
    bot: bool,
) -> Plan:
    """For a person the configuration stays where it is; a system's is the one in /etc, made from
    `config_file` where there is none yet."""
    configuration: dict[Path, str] = {}
    if user:
        file, config = config_file.absolute(), load_config(config_file, {})
    else:
        file = SYSTEM_CONFIG
        existing = below(root, SYSTEM_CONFIG)
        config = load_config(existing if existing.exists() else config_file, {})
        if not existing.exists():
            config = _moved(config)
            configuration[file] = _as_yaml(config, config_file)
    site = Site(python=python, config_file=file, config=config, user=user)
    folder = unit_folder(environ, user=user)
    bot = bot or below(root, folder / "lookalike-bot.service").exists()
    parts = [part for part in _PARTS if part != "bot" or bot]
    files = {folder / f"lookalike-{part}.service": fill_in(part, site) for part in parts}
    files[folder / TARGET] = target(site)
    links = {_link(file, text): file for file, text in files.items()}
    folders = [each for part in parts for each in writable(part, config)]
    commands = []
    if not user:
        sysusers = source_folder() / "lookalike.sysusers.conf"
        files[_SYSUSERS] = sysusers.read_text(encoding="utf-8")
        files[_TMPFILES] = _tmpfiles(config, folders)
        commands = [["systemd-sysusers", str(_SYSUSERS)]]
        commands += [["systemd-tmpfiles", "--create", str(_TMPFILES)]]
    return Plan(
        files=files,
        configuration=configuration,
        folders=folders if user else [],
        commands=commands,
        units=[TARGET, *(f"lookalike-{part}.service" for part in parts)],
        links=links,
    )


def below(root: Path, path: Path) -> Path:
    """The file as it lies below another system's root."""
    return root / path.relative_to("/")


def _link(file: Path, text: str) -> Path:
    wanted_by = text.partition("WantedBy=")[2].strip()
    return file.parent / f"{wanted_by}.wants" / file.name


def _moved(config: Config) -> Config:
    """With index and state where a system keeps them; a server's index stays there."""
    store = f"lancedb:{_DATA / 'index'}" if config.store_path else config.store
    return config.model_copy(update={"store": store, "state": _DATA / "state"})


def _as_yaml(config: Config, source: Path) -> str:
    """Only what was set: a default may change with a new version."""
    lines = [f"# Made by lookalike install-service from {source.absolute()}; yours from now on."]
    document: dict[str, Any] = config.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    for name, value in document.items():
        if isinstance(value, dict):
            lines += ["", f"{name}:", *(f"  {k}: {_scalar(v)}" for k, v in value.items())]
        else:
            lines += ["", f"{name}: {_scalar(value)}"]
    return "\n".join(lines) + "\n"


def _scalar(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)  # which YAML reads, too


def _tmpfiles(config: Config, folders: list[Path]) -> str:
    """Our folders; those above them belong to root, as far as they do not exist yet."""
    lines = ["# The folders that Lookalike writes to: made at every start of the machine."]
    above = {config.state, *(each.parent for each in folders)}
    lines += [f"d {_quoted(each)} 0755 - - -" for each in sorted(above)]
    lines += [f"d {_quoted(each)} 0750 lookalike lookalike -" for each in folders]
    return "\n".join(lines) + "\n"


def _quoted(path: Path) -> str:
    text = os.fspath(path).replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
