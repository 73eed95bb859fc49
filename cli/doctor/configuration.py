"""What the configuration comes to; one that is wrong has ended doctor before."""

from collections.abc import Iterator

from cli.doctor.facts import Facts
from cli.doctor.findings import Finding, ok
from cli.doctor.quantities import count


def check(facts: Facts) -> Iterator[Finding]:
    """In one sentence."""
    config = facts.config
    yield ok(
        f"{facts.config_file} is valid: {count(len(config.roots), 'root')}, "
        f"{config.model.name} on {config.model.device}, {config.store}."
    )
