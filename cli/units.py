"""The unit files of `systemd/`, filled in for one machine: one source, read as lines."""

import ipaddress
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from core.config import Config
from core.errors import AppError
from core.stores.weaviate_url import parse_weaviate_url

TARGET = "lookalike.target"
_NOT_FOR_A_PERSON = (
    "User=",
    "Group=",
    "RemoveIPC=",
    "Wants=network-online.target",
    "Environment=XDG_CACHE_HOME=",
    "CacheDirectoryMode=",
)
"""A person's service runs as they do, with what they have downloaded already."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """What differs from machine to machine."""

    python: Path
    config_file: Path
    config: Config
    user: bool
    """A service of this person, not of the machine."""


def source_folder() -> Path:
    """Where our unit files are: beside the sources, or where pip has put them."""
    beside = Path(__file__).parent.parent / "systemd"
    if (beside / TARGET).is_file():  # site-packages may hold another package of this name
        return beside
    try:
        found = [f for f in files("lookalike") or [] if f.name == TARGET]
    except PackageNotFoundError:
        found = []
    for file in found:
        if (target := Path(str(file.locate())).resolve()).is_file():
            return target.parent
    raise AppError("The unit files are not part of this installation. Install Lookalike anew.")


def writable(part: str, config: Config) -> list[Path]:
    """The folders that a part changes."""
    state = config.state / part
    index = [config.store_path] if config.store_path else []
    return {"daemon": [*index, state], "web": []}.get(part, [state])


def fill_in(part: str, site: Site) -> str:
    """The unit file of `part`, for this machine."""
    lines = (source_folder() / f"lookalike-{part}.service").read_text(encoding="utf-8").splitlines()
    filled: list[str] = []
    for line in lines:
        if not _left_out(line, part, site):
            filled.append(_line(line, part, site))
            continue
        while filled and filled[-1].startswith("#"):  # why it was there
            filled.pop()
    return "\n".join(filled) + "\n"


def target(site: Site) -> str:
    """The unit that all parts belong to."""
    text = (source_folder() / TARGET).read_text(encoding="utf-8")
    if site.user:
        text = text.replace("multi-user.target", "default.target")
        return text.replace("`systemctl ", "`systemctl --user ")
    return text


def _line(line: str, part: str, site: Site) -> str:
    if line.startswith("ExecStart="):
        python, config_file = (_word(p, command=True) for p in (site.python, site.config_file))
        return f"ExecStart={python} -m cli --config {config_file} {part}"
    if line.startswith("ReadWritePaths="):
        return "ReadWritePaths=" + " ".join(map(_word, writable(part, site.config)))
    if site.user:
        line = line.replace("CacheDirectory=lookalike", "CacheDirectory=huggingface")
        line = line.replace("/etc/lookalike/", "%E/lookalike/")
        line = re.sub(r"\b(local-fs|remote-fs|network|network-online)\.target ?", "", line)
    return line


def _left_out(line: str, part: str, site: Site) -> bool:
    if site.user and line.startswith(_NOT_FOR_A_PERSON):
        return True
    return part == "web" and line.startswith("IPAddress") and not _stays_here(site.config)


def _stays_here(config: Config) -> bool:
    """Whether the page talks to this machine alone."""
    hosts = [config.web.host]
    if config.store_path is None:
        hosts += [each.host.strip("[]") for each in parse_weaviate_url(config.store).addresses]
    return all(map(_is_loopback, hosts))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _word(path: Path, *, command: bool = False) -> str:
    """One word of a unit file, whatever is in it."""
    text = str(path)
    if not text.isprintable():
        raise AppError(f"{text!r} cannot stand in a unit file. Rename the folder.")
    text = text.replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    if command:
        text = text.replace("$", "$$")
    return f'"{text}"' if re.search(r"[^\w%$/.=@+:,-]", text) else text
