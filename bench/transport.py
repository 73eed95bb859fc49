"""What it costs to send pixels to another process: `python -m bench.transport`.

Our frames over a Unix socket, pixels in shared memory beside a frame, gRPC over a Unix socket, and
HTTP (uvicorn and httpx) over a Unix socket. The other process does nothing but answer vectors, so
that all of the time is overhead. Every way in turn, several rounds, medians.
"""

import contextlib
import multiprocessing
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any

import grpc
import httpx
import uvicorn
from rich.console import Console
from rich.table import Table

from core import frames
from core.local_sockets import connect, listen

PICTURE_BYTES = 224 * 224 * 3
VECTOR_BYTES = 384 * 4
BATCH = 8
ROUNDS, CALLS = 5, 60
_METHOD = "/model/embed"

Ask = Callable[[bytes], bytes]


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="lookalike-") as folder, ExitStack() as open_ways:
        ways = {
            name: open_ways.enter_context(way(Path(folder)))
            for name, way in (
                ("frames", _frames),
                ("frames, pixels in shared memory", _shared_memory),
                ("gRPC", _grpc),
                ("HTTP: uvicorn, httpx", _http),
            )
        }
        samples: dict[tuple[str, int], list[float]]
        samples = {(name, count): [] for name in ways for count in (1, BATCH)}
        for _ in range(ROUNDS):
            for (name, count), times in samples.items():
                _time(ways[name], count, times)
    table = Table(title="Overhead of a question, ms")
    for column in ("way", "a query (0.15 MB)", f"a batch of {BATCH} (1.2 MB)"):
        table.add_column(column, justify="left" if column == "way" else "right")
    for name in ways:
        one, many = (statistics.median(samples[name, count]) for count in (1, BATCH))
        table.add_row(name, f"{one:.2f}", f"{many:.2f}")
    Console().print(table)


def _time(ask: Ask, count: int, times: list[float]) -> None:
    pixels = bytes(count * PICTURE_BYTES)
    for _ in range(CALLS):
        started = time.perf_counter()
        answer = ask(pixels)
        times.append(1000 * (time.perf_counter() - started))
        assert len(answer) == count * VECTOR_BYTES


def _vectors(pixels: bytes) -> bytes:
    return bytes(len(pixels) // PICTURE_BYTES * VECTOR_BYTES)


@contextmanager
def _server(serve: Callable[..., None], *arguments: Any) -> Iterator[None]:
    process = multiprocessing.get_context("fork").Process(target=serve, args=arguments)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


@contextmanager
def _frames(folder: Path) -> Iterator[Ask]:
    listener = listen(folder / "frames")
    with _server(_serve_frames, listener), connect(folder / "frames") as connection:

        def ask(pixels: bytes) -> bytes:
            frames.send(connection, {"count": 1}, pixels)
            return frames.receive(connection, max_payload_bytes=1 << 20)[1]

        yield ask


def _serve_frames(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with contextlib.suppress(EOFError, OSError):
        while True:
            header, pixels = frames.receive(connection, max_payload_bytes=1 << 30)
            frames.send(connection, header, _vectors(pixels))


@contextmanager
def _shared_memory(folder: Path) -> Iterator[Ask]:
    listener = listen(folder / "shared")
    memory = SharedMemory(create=True, size=BATCH * PICTURE_BYTES)
    buffer = memory.buf
    assert buffer is not None
    try:
        with _server(_serve_shared, listener, memory), connect(folder / "shared") as connection:

            def ask(pixels: bytes) -> bytes:
                buffer[: len(pixels)] = pixels
                frames.send(connection, {"length": len(pixels)})
                return frames.receive(connection, max_payload_bytes=1 << 20)[1]

            yield ask
    finally:
        buffer.release()
        memory.close()
        memory.unlink()


def _serve_shared(listener: socket.socket, memory: SharedMemory) -> None:
    connection, _ = listener.accept()
    buffer = memory.buf
    assert buffer is not None
    with contextlib.suppress(EOFError, OSError):
        while True:
            header, _ = frames.receive(connection, max_payload_bytes=0)
            pixels = bytes(buffer[: int(str(header["length"]))])
            frames.send(connection, header, _vectors(pixels))


@contextmanager
def _grpc(folder: Path) -> Iterator[Ask]:
    address = f"unix:{folder}/grpc"
    options = [("grpc.max_receive_message_length", 1 << 30)]
    with _server(_serve_grpc, address, options), grpc.insecure_channel(address, options) as channel:
        grpc.channel_ready_future(channel).result(30)
        yield channel.unary_unary(_METHOD)


def _serve_grpc(address: str, options: list[tuple[str, int]]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    server = grpc.server(ThreadPoolExecutor(4), options=options)
    embed = grpc.unary_unary_rpc_method_handler(lambda pixels, _: _vectors(pixels))
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("model", {"embed": embed})]
    )
    server.add_insecure_port(address)
    server.start()
    server.wait_for_termination()


@contextmanager
def _http(folder: Path) -> Iterator[Ask]:
    address = f"{folder}/http"
    with _server(_serve_http, address):
        while not Path(address).exists():
            time.sleep(0.05)
        time.sleep(0.5)
        with httpx.Client(transport=httpx.HTTPTransport(uds=address)) as client:
            yield lambda pixels: client.post("http://model/embed", content=pixels).content


def _serve_http(address: str) -> None:
    async def app(_scope: Any, receive: Any, send: Any) -> None:
        parts, more = [], True
        while more:
            message = await receive()
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)
        body = _vectors(b"".join(parts))
        length = str(len(body)).encode()
        headers = [(b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    uvicorn.run(app, uds=address, http="h11", lifespan="off", log_config=None, access_log=False)


if __name__ == "__main__":
    main()
