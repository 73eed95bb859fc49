"""`lookalike models`: the indexes there are, and the models that can be configured."""

import os
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cli.output import print_json, print_table, say
from core.bootstrap import open_database
from core.config import Config, load_config
from core.embedders.known import KNOWN, KnownModel
from core.embedders.weights import local_weights
from core.errors import ConfigError

_MEGA = 1_000_000
_ROLES = {
    "serving": "answers",
    "building": "is being built",
    "leftover": "left behind; the next start of the daemon deletes it",
}


def models(config_file: Path, *, as_json: bool) -> int:
    """The exit code."""
    config = load_config(config_file)
    with closing(open_database(config, writable=False)) as database:
        holdings = sorted(database.holdings(), key=lambda each: list(_ROLES).index(each.role))
    indexes = [
        {
            "model": each.embedder,
            "role": each.role,
            "rows": each.rows,
            "size_bytes": each.size_bytes,
        }
        for each in holdings
    ]
    known = [_document(config, model) for model in _offered(config)]
    if as_json:
        configured = config.model.name
        print_json({"configured": configured, "indexes": indexes, "models": known})
        return 0
    rows = [
        [each.embedder or "(deleted)", _ROLES[each.role], str(each.rows), _mb(each.size_bytes)]
        for each in holdings
    ]
    if rows:
        print_table(["index of", "", "rows", "on disk"], rows)
    else:
        say("Nothing is indexed yet.")
    print()
    print_table(
        ["model", "numbers", "weights", "licence", "where its weights are"],
        [_row(m) for m in known],
    )
    say("model.name may also be any model of timm. Another model is built beside the old index.")
    return 0


def _offered(config: Config) -> list[KnownModel]:
    name = config.model.name
    others = [] if any(model.name == name for model in KNOWN) else [KnownModel(name)]
    return [*KNOWN, *others]


def _document(config: Config, model: KnownModel) -> dict[str, Any]:
    configured = model.name == config.model.name
    weights: dict[str, Any] = {"file": None, "found_by": None, "size_bytes": model.weights_bytes}
    problem = None
    if model.weights_bytes != 0:
        given = config.model.weights if configured else None
        try:
            found = local_weights(model.name, given, os.environ, hub_repo=model.hub_repo)
        except ConfigError as error:
            found, problem = None, str(error)
        if found:
            file, found_by = found
            weights = {"file": str(file), "found_by": found_by, "size_bytes": file.stat().st_size}
    return asdict(model) | {"configured": configured, "weights": weights, "problem": problem}


def _row(model: dict[str, Any]) -> list[str]:
    weights = model["weights"]
    if model["problem"]:
        where = model["problem"]
    elif weights["size_bytes"] == 0:
        where = "needs none"
    elif weights["file"]:
        where = f"{weights['file']} ({weights['found_by']})"
    elif model["hub_repo"]:
        where = f"would be downloaded: {model['hub_repo']}"
    else:
        where = "would be downloaded, if timm knows it"
    return [
        f"* {model['name']}" if model["configured"] else f"  {model['name']}",
        str(model["dim"] or "?"),
        _mb(weights["size_bytes"]),
        model["licence"] or "see its card",
        where,
    ]


def _mb(size_bytes: int | None) -> str:
    return "?" if size_bytes is None else f"{size_bytes / _MEGA:.1f} MB"
