"""Is the index there, in a form that we read, and made by the model that is configured?"""

import socket
from collections.abc import Iterator
from contextlib import closing

from cli.doctor.facts import Facts, Stored
from cli.doctor.findings import Finding, from_error, note, ok, problem
from cli.doctor.quantities import count
from core.bootstrap import is_preview, open_database
from core.files import read_json
from core.secrets import read_secret
from core.stores import FORMAT, Catalogue

_NO_DIGEST = "0" * 64


def check(facts: Facts) -> Iterator[Finding]:
    """Reads it, writes nothing."""
    config = facts.config
    if config.store_path is None:
        yield from _server(facts)
    with closing(open_database(config, writable=False)) as database:
        catalogue = database.catalogue()
        if catalogue is None:
            yield ok(f"{database.address} holds nothing yet; the daemon makes the index.")
            return
        rows = database.vectors(catalogue.serving)
        by_root = rows.roots()
        rows.thumbnails([_NO_DIGEST])  # refuses a collection that does not fit
        facts.stored = Stored(catalogue.serving, sum(by_root.values()))
        yield ok(
            f"{database.address} answers: format {catalogue.format} of {FORMAT}, "
            f"{count(facts.stored.rows, 'row')} of {catalogue.serving}."
        )
    for root in sorted(by_root.keys() - config.roots.keys()):
        yield note(
            f"{count(by_root[root], 'row')} of the root '{root}', which is not configured, are "
            "kept and not searched.",
            f"Put it back under roots, or delete them: lookalike forget {root}",
        )
    yield from _model(facts, catalogue)


def _model(facts: Facts, catalogue: Catalogue) -> Iterator[Finding]:
    if is_preview(facts.config, catalogue.serving):
        yield note(
            f"{catalogue.serving} answers for the time being, not {facts.config.model.name}.",
            "Give the daemon the weights: it builds the real index beside this one.",
        )
    elif facts.embedder not in (None, catalogue.serving):
        yield note(
            f"The index was made by {catalogue.serving}, the configuration and the weights here "
            f"make {facts.embedder}.",
            "Nothing, if that is meant: the daemon builds the new index beside the old one, which "
            "answers until then.",
        )


def _server(facts: Facts) -> Iterator[Finding]:
    from core.stores.weaviate_inspection import inspect

    facts.show("Asking the Weaviate server", 0, None)
    found = inspect(facts.config.store, read_secret("WEAVIATE_API_KEY"))
    facts.server_seconds = found.ahead_seconds
    versions = ", ".join(f"{address} {version}" for address, version in found.versions.items())
    yield ok(f"Weaviate answers, REST and gRPC: {versions}.")
    for error in found.away:
        yield from_error(error, "Start it, or correct 'store' in the configuration.")
    if not found.may_write:
        yield note(
            "The key in WEAVIATE_API_KEY may read and not write.",
            "Give the daemon the key that may write; this one is right for page and bot.",
        )
    if found.open_to_all:
        yield note(
            "The server lets in everyone who reaches it, without a key.",
            "Set AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED=false there and give it keys, as "
            "docker-compose.yml does; its gRPC port listens on every interface.",
        )
    ours = read_json(facts.config.state / "daemon" / "status.json") or {}
    if found.writer not in (None, f"{ours.get('pid')}@{socket.gethostname()}"):
        yield problem(
            f"Another daemon keeps this index: {found.writer}.",
            "Stop it, or choose another NAME in 'store': weaviate://host:8080/NAME",
        )
