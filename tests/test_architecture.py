"""The dependency rule of DESIGN section 2, read from the sources."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent
PACKAGES = {"core", "daemon", "bot", "web", "cli"}
MAY_IMPORT = {
    "core": set(),
    "daemon": {"core"},
    "bot": {"core"},
    "web": {"core"},
    "cli": {"core", "daemon", "bot", "web"},
}
HOMES = {
    "torch": "core/embedders/dinov2",
    "torchvision": "core/embedders/dinov2",
    "timm": "core/embedders/dinov2",
    "openvino": "core/embedders/openvino.py",
    "huggingface_hub": "core/embedders/weights.py",
    "lancedb": "core/stores/lance",
    "weaviate": "core/stores/weaviate_client.py",
    "grpc": "core/stores/weaviate_client.py",
    "watchdog": "daemon/watcher",
    "discord": "bot/",
    "aiohttp": "bot/",
    "yarl": "bot/",
    "fastapi": "web/",
    "starlette": "web/",
    "uvicorn": "web/runner.py",
    "jinja2": "web/pages.py",
    "prometheus_client": "core/metrics.py",
    "pillow_heif": "core/images.py",
    "pathspec": "core/candidates.py",
    "pydantic": ("core/config.py", "web/"),
    "pydantic_core": "core/config.py",
    "httpx": "core/stores/weaviate_",
    "yaml": "core/config_document.py",
    "typer": "cli/main.py",
}
MODULES = sorted(
    module.relative_to(TOP) for package in PACKAGES for module in (TOP / package).rglob("*.py")
)


def imported(module: Path) -> set[str]:
    """Every dotted name that the module imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((TOP / module).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            names.add(str(node.module))
    return names


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_package_imports_only_what_it_may(module: Path) -> None:
    package = module.parts[0]
    tops = {name.partition(".")[0] for name in imported(module)}
    assert tops & PACKAGES <= MAY_IMPORT[package] | {package}


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_heavy_library_has_one_home(module: Path) -> None:
    for name in imported(module):
        home = HOMES.get(name.partition(".")[0])
        assert home is None or str(module).startswith(home), f"{module} imports {name}"


@pytest.mark.parametrize(
    "module", ["core.index", "cli.main", "cli.up", "core.bootstrap", "core.stores"]
)
def test_importing_it_loads_nothing_heavy(module: str) -> None:
    heavy = "{'torch', 'timm', 'lancedb', 'weaviate', 'watchdog', 'discord', 'fastapi'}"
    code = f"import sys, {module}; print(*{heavy} & sys.modules.keys())"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=TOP, capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == []


def test_no_module_is_longer_than_400_lines() -> None:
    assert [str(m) for m in MODULES if len((TOP / m).read_text().splitlines()) > 400] == []
