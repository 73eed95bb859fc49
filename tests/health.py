"""Asking a part how it is, over HTTP, as Prometheus and probes do."""

import socket
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from prometheus_client.parser import text_string_to_metric_families


class Told(NamedTuple):
    status: int
    text: str


def free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return int(chosen.getsockname()[1])


def ask(address: str, path: str, seconds: float = 10, **headers: str) -> Told:
    """`address` is host:port; OSError where nobody answers in time."""
    request = Request(f"http://{address}{path}", headers=headers)
    try:
        with urlopen(request, timeout=seconds) as answer:
            return Told(answer.status, answer.read().decode())
    except HTTPError as refusal:
        with refusal:
            return Told(refusal.code, refusal.read().decode())


def series(text: str) -> dict[str, float]:
    """Every sample, as name or name{label="value"}."""
    told = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{text}"' for name, text in sorted(sample.labels.items()))
            told[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return told
