"""Asking a part how it is, over HTTP, as Prometheus and probes do."""

import random
import socket
from contextlib import suppress
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from prometheus_client.parser import text_string_to_metric_families


class Told(NamedTuple):
    status: int
    text: str


def free_port() -> int:
    """One that stays free until it is listened on: the system gives it to nobody who asks for any,
    nor does tests.weaviate_server."""
    for port in random.sample(range(10_000, 20_000), 100):
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("", port))
            return port
    raise AssertionError("no port is free")


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
