"""What pip makes of this checkout, and an environment that nothing else is installed in."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.project import TOP

_PIP = ("-m", "pip", "--disable-pip-version-check", "--quiet")


def build_wheel(folder: Path) -> Path:
    """Of the sources as they lie here; made from a copy, for a build leaves things behind."""
    copy = folder / "source"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(TOP / name, copy)
    for name in ("core", "daemon", "bot", "web", "cli", "systemd"):
        shutil.copytree(TOP / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    make = ("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir")
    _run(sys.executable, *_PIP, *make, folder, copy)
    (wheel,) = folder.glob("*.whl")
    return wheel


def site_packages() -> list[Path]:
    """Where the libraries are that this process has."""
    found = [Path(entry) for entry in sys.path if Path(entry).name == "site-packages"]
    return [folder for folder in found if folder.is_dir()]


def _run(*command: str | Path) -> object:
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, check=True, timeout=300, env=clean)


def install_wheel(
    wheel: Path,
    environment: Path,
    libraries: list[Path],
    run: Callable[..., object] = _run,
    outside: Callable[[Path], Path] = lambda path: path,
) -> Path:
    """Its Python; libraries are shared. Where these paths are true in another place than here,
    `run` runs a command there, and `outside` says where something of there is here."""
    run(Path(sys.base_prefix, "bin/python3"), "-m", "venv", "--without-pip", environment)
    (packages,) = outside(environment).glob("lib/python3*/site-packages")
    (packages / "shared.pth").write_text("".join(f"{folder}\n" for folder in libraries))
    python = environment / "bin/python"
    run(python, *_PIP, "install", "--no-deps", "--no-index", "--ignore-installed", wheel)
    return python
