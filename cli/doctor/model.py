"""The model and its weights, and how fast this machine brings pictures into the index."""

import os
from collections.abc import Iterator
from pathlib import Path

from cli.doctor.facts import Facts, Pace
from cli.doctor.findings import Finding, from_error, note, ok, problem
from cli.doctor.pace import measure
from cli.doctor.quantities import lasting
from core.embedders import opening
from core.embedders.weights import WeightsMissing, why_not_from_hub
from core.errors import ConfigError


def check(facts: Facts) -> Iterator[Finding]:
    """Loads it, and puts pictures of the tree through it; downloads nothing."""
    model = facts.config.model
    facts.show("Loading the model", 0, None)
    try:
        here = os.environ | {"HF_HUB_OFFLINE": "1"}
        embedder = opening.open_embedder(model.name, model.weights, model.device, here)
    except WeightsMissing as missing:
        yield _without_weights(facts, missing)
        return
    except ConfigError as error:
        yield from_error(error, "Correct the setting 'model', or name other weights.")
        return
    facts.embedder, facts.dim = embedder.name, embedder.dim
    yield ok(f"{embedder.name} is here and loads; {embedder.dim} numbers a picture.")
    device = opening.describe_device(model.name, model.device)
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    facts.pace = measure(facts, embedder, on_cpu=device.startswith("cpu"))
    facts.process_bytes = _resident_bytes()
    yield ok(_speed(facts.pace, device, facts.pictures))
    if load > cores:
        yield note(
            f"The machine was busy with other work meanwhile, load {load:.0f} on {cores} cores.",
            "Look again when it is quiet: then the figures are higher.",
        )


def _without_weights(facts: Facts, missing: WeightsMissing) -> Finding:
    model = facts.config.model
    facts.show("Asking for the weights", 0, None)
    found = f"There are no weights for {model.name} on this machine"
    if missing.hub_repo is None:
        return from_error(missing, "Set LOOKALIKE_WEIGHTS or model.weights.")
    source = f"https://huggingface.co/{missing.hub_repo}"
    if (reason := why_not_from_hub(missing.hub_repo, os.environ)) is None:
        return note(
            f"{found} yet; {source} has them.",
            "Nothing: the daemon downloads them when it starts first.",
        )
    instead = f"{model.fallback} would stand in" if model.fallback else "the daemon would not start"
    return problem(
        f"{found}, and {reason}: {instead}.",
        f"Fetch model.safetensors of {source} on any machine, then set LOOKALIKE_WEIGHTS or "
        "model.weights to the file.",
    )


def _speed(pace: Pace, device: str, pictures: int) -> str:
    parts = f"embedding {pace.embedded:.1f}"
    if pace.decoded is not None:
        parts += f", decoding {pace.decoded:.1f}"
    whole = f": {lasting(pictures / pace.together)} for all {pictures:,}" if pictures else ""
    return f"{pace.together:.1f} pictures a second on {device} ({parts}){whole}."


def _resident_bytes() -> int | None:
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS")), None)
