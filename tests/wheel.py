"""What pip makes of this checkout, and an environment that nothing else is installed in."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.project import TOP

_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


def build_wheel(folder: Path) -> Path:
    """Of the sources as they lie here; made from a copy, for a build leaves things behind."""
    copy = folder / "source"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(TOP / name, copy)
    for name in ("core", "daemon", "bot", "web", "cli", "systemd"):
        shutil.copytree(TOP / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [*_PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, copy]
    subprocess.run(command, check=True, timeout=300)
    (wheel,) = folder.glob("*.whl")
    return wheel


def site_packages() -> list[Path]:
    """Where the libraries are that this process has."""
    found = [Path(entry) for entry in sys.path if Path(entry).name == "site-packages"]
    return [folder for folder in found if folder.is_dir()]


def install_wheel(wheel: Path, environment: Path, libraries: list[Path]) -> Path:
    """Its Python; `libraries`, as they will be seen from there, are shared."""
    command = [sys.executable, "-m", "venv", "--without-pip", environment]
    subprocess.run(command, check=True, timeout=120)
    (packages,) = environment.glob("lib/python3*/site-packages")
    (packages / "shared.pth").write_text("".join(f"{folder}\n" for folder in libraries))
    python = environment / "bin" / "python"
    alone = ("--no-deps", "--no-index", "--ignore-installed")
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    install = [*_PIP, "--python", python, "install", *alone, wheel]
    subprocess.run(install, check=True, timeout=300, env=clean)
    return python
