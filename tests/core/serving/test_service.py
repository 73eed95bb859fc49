"""The model service as its clients meet it: real processes, a model that needs no weights."""

import contextlib
import os
import socket
import stat
import statistics
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from core.embedders.colour_layout import ColourLayout
from core.embedders.weights import WeightsMissing
from core.errors import ConfigError, ModelError
from core.local_sockets import connect
from core.serving import socket_file
from core.serving.client import NobodyThere
from core.serving.wanted import Wanted
from tests.model_service import LAYOUT, Service, wait
from tests.project import TOP

MANY = 900
"""Pictures that take seconds to embed."""
BEGUN_SECONDS = 0.05
"""Of the processor's: whoever has used so many more is at work."""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path / "state")
    made.start()
    yield made
    made.stop()


def pixels(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(count).integers(0, 255, (count, 64, 64, 3), dtype=np.uint8)


def test_it_answers_as_the_embedder_itself_would(service: Service) -> None:
    here, there = ColourLayout(), service.embedder(most_bytes=10 * 64 * 64 * 3)
    for attribute in ("name", "dim", "preprocessing", "batch_size", "streams"):
        assert getattr(there, attribute) == getattr(here, attribute)
    for count in (0, 1, 10, 25):
        found = there.embed(pixels(count))
        assert found.shape == (count, here.dim)
        assert np.array_equal(found, here.embed(pixels(count))) or not count
    with pytest.raises(ValueError, match="expected"):
        there.embed(np.zeros((1, 32, 32, 3), np.uint8))


@pytest.mark.parametrize("folder", ["state", f"{'d' * 60}/{'e' * 60}"])
def test_only_its_user_reaches_the_socket_however_long_its_path(
    tmp_path: Path, folder: str
) -> None:
    service = Service(tmp_path / folder)
    service.start()
    try:
        file = socket_file(service.state)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert service.embedder().dim == ColourLayout().dim
        second = subprocess.run(
            service.command(), cwd=TOP, env=service.environ, capture_output=True, check=False
        )
        assert second.returncode == 1
        assert f"process {service.door and service.door.pid}" in second.stderr.decode()
    finally:
        assert service.stop() == 0
    assert not file.exists()


def test_a_process_that_dies_over_a_question_is_started_again_and_asked_again(
    service: Service,
) -> None:
    embedder, many = service.embedder(), pixels(MANY)
    before, used = service.worker(), service.worker_seconds()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(embedder.embed, many)
        wait(lambda: service.worker_seconds() > used + BEGUN_SECONDS)
        assert not future.done()
        service.kill_worker()
        found = future.result(60)
    assert np.array_equal(found[:3], ColourLayout().embed(many[:3]))
    wait(lambda: service.worker() not in (None, before))


def test_a_question_that_ends_it_twice_is_answered_by_a_sentence(service: Service) -> None:
    embedder, many = service.embedder(), pixels(MANY)
    client = service.client()  # has no connection yet: each try is one process
    with ThreadPoolExecutor(1) as pool:
        header = LAYOUT.header() | {"count": len(many)}
        future = pool.submit(client.ask, header, many.tobytes(), max_bytes=1 << 30)
        for used in (service.worker_seconds(), 0):
            wait(lambda used=used: service.worker_seconds() > used + BEGUN_SECONDS)  # type: ignore[misc]
            assert not future.done()
            before = service.worker()
            service.kill_worker()
            wait(lambda before=before: service.worker() not in (None, before) or future.done())
        with pytest.raises(ModelError, match=r"broke off twice|ended 2 times in a row"):
            future.result(30)
    with pytest.raises(ModelError, match=r"ended 2 times in a row \(signal SIGKILL"):
        for _ in range(50):  # until the doorkeeper has heard of the second
            embedder.embed(pixels(1))
    wait(lambda: time.sleep(0.2) or _answers(service))


def _answers(service: Service) -> bool:
    try:
        service.embedder()
    except ModelError:
        return False
    return True


def test_unused_it_ends_its_process_and_comes_back_when_asked(tmp_path: Path) -> None:
    service = Service(tmp_path / "state", unload_minutes=0.02)
    service.start()
    try:
        assert service.worker() is None, "nobody has asked yet"
        embedder = service.embedder()
        first = embedder.embed(pixels(1))
        wait(lambda: service.worker() is None)
        assert np.array_equal(embedder.embed(pixels(1)), first)
        assert service.worker() is not None
        assert "its process ends" in service.log.read_text()
    finally:
        service.stop()


@pytest.mark.slow
def test_errors_cross_the_socket_as_what_they_are(tmp_path: Path) -> None:
    nothing = str(tmp_path / "nothing")
    Path(nothing).mkdir()
    service = Service(tmp_path / "state", HF_HUB_OFFLINE="1", HF_HOME=nothing)
    service.start()
    try:
        with pytest.raises(ModelError, match="made by colour-layout/9/stretch-64, but what is"):
            service.embedder(Wanted("colour-layout/9/stretch-64", "colour-layout", None, "cpu"))
        with pytest.raises(ModelError, match="does not know"):
            service.embedder(Wanted("x", "colour-layout", None, "cpu"))
        with pytest.raises(ConfigError, match="there is no model no_such_model"):
            service.embedder(Wanted(None, "no_such_model", None, "cpu"))
        tiny = Wanted(None, "deit_tiny_patch16_224", None, "cpu", nothing)
        with pytest.raises(WeightsMissing, match=f"{nothing} holds no deit_tiny"):
            service.embedder(tiny)
        assert np.array_equal(service.embedder().embed(pixels(1)), ColourLayout().embed(pixels(1)))
    finally:
        service.stop()


FOREIGN = [
    b"GET / HTTP/1.1\r\n\r\n",
    b"\xff" * 4096,
    struct.pack("<IQ", 2, 0) + b"[]",
    struct.pack("<IQ", 2, 1 << 60) + b"{}",
    struct.pack("<IQ", 1 << 31, 0),
    struct.pack("<IQ", 20000, 0) + b"[" * 20000,
    struct.pack("<IQ", 2, 0) + b"{}",
    struct.pack("<IQ", 54, 3) + b'{"model": "colour-layout", "device": "x", "count": -1}abc',
    struct.pack("<IQ", 53, 3) + b'{"model": "colour-layout", "device": "x", "count": 9}abc',
    struct.pack("<IQ", 43, 0) + b'{"model": 3, "device": "cpu", "count": "x"}',
    b"\x01",
]


def test_foreign_bytes_harm_nobody(service: Service) -> None:
    embedder = service.embedder()
    before = service.worker()
    for sent in FOREIGN:
        with connect(socket_file(service.state)) as stranger:
            stranger.sendall(sent)
            stranger.shutdown(socket.SHUT_WR)
            stranger.settimeout(10)
            with contextlib.suppress(ConnectionResetError):  # it did not read all of it
                assert stranger.recv(1) == b"", "no answer, only an end"
    assert len(embedder.embed(pixels(1))) == 1
    assert service.worker() == before
    assert "Traceback" not in service.log.read_text()


def test_a_query_does_not_queue_behind_the_backlog(service: Service) -> None:
    embedder = service.embedder()
    backlog, seconds = pixels(150), []
    stop = threading.Event()

    def flood() -> None:
        while not stop.is_set():
            started = time.monotonic()
            embedder.embed(backlog)
            seconds.append(time.monotonic() - started)

    lanes = 3 * (os.cpu_count() or 1)
    with ThreadPoolExecutor(lanes) as pool:
        for _ in range(lanes):
            pool.submit(flood)
        time.sleep(0.5)
        queries = []
        try:
            for _ in range(8):
                started = time.monotonic()
                embedder.embed(backlog[:1])
                queries.append(time.monotonic() - started)
        finally:
            stop.set()
    assert statistics.median(queries) < statistics.median(seconds) / 4


def test_killed_it_takes_its_process_along_and_started_again_it_is_found(
    service: Service,
) -> None:
    embedder = service.embedder()
    worker = service.worker()
    service.kill()
    wait(lambda: not Path(f"/proc/{worker}").exists())
    with pytest.raises(NobodyThere, match="lookalike model"):
        embedder.embed(pixels(1))
    service.start()
    assert len(embedder.embed(pixels(1))) == 1


def test_should_it_stay_away_the_model_is_loaded_here(service: Service) -> None:
    embedder = service.embedder(patience_seconds=0.3)
    service.kill()
    with pytest.raises(NobodyThere):
        embedder.embed(pixels(1))
    time.sleep(0.4)
    assert np.array_equal(embedder.embed(pixels(1)), ColourLayout().embed(pixels(1)))
    service.start()
    embedder.embed(pixels(1))
    assert service.worker() is not None, "it is used again"


def test_without_a_service_nobody_is_there(tmp_path: Path) -> None:
    with pytest.raises(NobodyThere):
        Service(tmp_path / "state").embedder()
