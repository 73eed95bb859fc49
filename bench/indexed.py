"""A folder, indexed by the ordinary way."""

from pathlib import Path

import yaml

from core.config import Config, load_config
from daemon.engine import Engine
from daemon.progress import ProgressBar


def indexed(
    work: Path,
    folder: Path,
    model: str,
    *,
    name: str = "pictures",
    left_out: list[str] | None = None,
) -> Config:
    """The configuration of an index of `folder` below `work`, without the paths `left_out`."""
    file = work / "config.yaml"
    settings = {
        "roots": {name: str(folder.absolute())},
        "ignore": [f"/{path}" for path in left_out or []],
        "model": {"name": model, "fallback": None},
        "web": {"searches_per_minute": 0},
    }
    file.write_text(yaml.safe_dump(settings))
    config = load_config(file)
    with ProgressBar() as bar, Engine(config) as engine:
        engine.open_model()
        engine.sync_to_the_end(engine.everything, bar)
    return config
