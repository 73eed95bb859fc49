import io
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.decoder import DecoderPool, InlineDecoder
from core.errors import AppError, ImageError
from core.images import Limits
from core.preprocess import METHODS, Preprocessing

ROOT = str(Path(__file__).resolve().parents[2])
DEFAULT_LIMITS = Limits()
PREPARED = Preprocessing("stretch", 32)

# A real worker, except that a few magic files make it do what a broken C library does.
TREACHEROUS = (
    sys.executable,
    "-P",
    "-c",
    """
import os, signal, sys, time
sys.path.insert(0, sys.argv.pop(1))
from core import decode_worker, decoder
from core.errors import ImageError

def decode(self, data, preprocessing, box):
    if data == b"segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if data == b"exit":
        sys.exit(7)
    if data == b"hang":
        time.sleep(60)
    if data == b"chatter":
        os.write(1, b"spam" * 99)
        os.write(2, b"spam" * 99999)
    if data == b"pid":
        raise ImageError(str(os.getpid()))
    if data == b"environ":
        raise ImageError(" ".join(os.environ))
    if data == b"modules":
        raise ImageError(" ".join(m for m in sys.modules if "." not in m and m[0] != "_")[:4000])
    return real(self, data, preprocessing, box)

real, decoder.InlineDecoder.decode = decoder.InlineDecoder.decode, decode
decode_worker.main()
""",
    ROOT,
)

# A worker taken over by an attacker: answers whatever it likes.
LIAR = (
    sys.executable,
    "-P",
    "-c",
    """
import socket, struct, sys
sys.path.insert(0, sys.argv.pop(1))
from core import frames
connection = socket.socket(fileno=0)
frames.send(connection, {"ready": True})
while True:
    header, data = frames.receive(connection, max_payload_bytes=1 << 20)
    connection.sendall(data)
""",
    ROOT,
)


def picture(width: int = 90, height: int = 60, format: str = "PNG", seed: int = 1) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, format)
    return buffer.getvalue()


@pytest.fixture
def make_pool():
    pools: list[DecoderPool] = []

    def make(workers: int = 1, limits: Limits = DEFAULT_LIMITS, **options) -> DecoderPool:
        pools.append(DecoderPool(limits, workers, **options))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()


def reason(decode: Callable[[], object]) -> str:
    with pytest.raises(ImageError) as rejected:
        decode()
    return str(rejected.value)


def pid_of_worker(pool: DecoderPool) -> int:
    return int(reason(lambda: pool.decode(b"pid", PREPARED)))


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_pool_answers_as_decoding_inline_does(make_pool):
    pool, inline = make_pool(), InlineDecoder(Limits())
    for data in (picture(), picture(1500, 1100, "JPEG"), picture(format="GIF")):
        for preprocessing in (PREPARED, Preprocessing("official", 224)):
            there = pool.decode(data, preprocessing)
            here = inline.decode(data, preprocessing)
            assert (there.pixels == here.pixels).all()
            assert there.pixels.shape == (preprocessing.size, preprocessing.size, 3)
            assert there.pixels.flags.writeable  # torch warns of arrays that are not
            assert (there.thumbnail, there.width, there.height) == (
                here.thumbnail,
                here.width,
                here.height,
            )
    assert (there.width, there.height) == (90, 60)
    inline.close()


def test_a_rejected_picture_has_the_same_reason_and_costs_no_worker(make_pool):
    pool = make_pool(command=TREACHEROUS)
    before = pid_of_worker(pool)
    for data in (b"", b"hello", picture()[:999]):
        assert reason(lambda data=data: pool.decode(data, PREPARED)) == reason(
            lambda data=data: InlineDecoder(Limits()).decode(data, PREPARED)
        )
    assert pid_of_worker(pool) == before


@pytest.mark.parametrize(
    ("culprit", "expected"),
    [
        (b"segfault", "made the decoder crash (signal SIGSEGV)"),
        (b"exit", "made the decoder crash (exit status 7)"),
        (b"hang", "took longer than 2 s to decode"),
    ],
)
def test_a_picture_that_breaks_the_decoder_is_rejected_and_no_other(make_pool, culprit, expected):
    pool = make_pool(command=TREACHEROUS, timeout_seconds=2)
    pid = pid_of_worker(pool)
    assert reason(lambda: pool.decode(culprit, PREPARED)) == expected
    assert not is_alive(pid)
    assert pool.decode(picture(), PREPARED).width == 90


def test_a_crash_does_not_disturb_those_being_decoded_at_the_time(make_pool):
    pool = make_pool(workers=4, command=TREACHEROUS)
    batch = [b"segfault" if i % 5 == 0 else picture(seed=i) for i in range(20)]

    def decode(data: bytes) -> str | int:
        try:
            return pool.decode(data, PREPARED).width
        except ImageError as error:
            return str(error)

    with ThreadPoolExecutor(4) as threads:
        outcomes = list(threads.map(decode, batch))
    assert outcomes == [
        "made the decoder crash (signal SIGSEGV)" if i % 5 == 0 else 90 for i in range(20)
    ]


def test_four_threads_share_two_workers(make_pool):
    pool, inline = make_pool(workers=2), InlineDecoder(Limits())
    batch = [picture(seed=i) for i in range(40)]
    with ThreadPoolExecutor(4) as threads:
        there = list(threads.map(lambda data: pool.decode(data, PREPARED).pixels, batch))
    for data, pixels in zip(batch, there, strict=True):
        assert (pixels == inline.decode(data, PREPARED).pixels).all()


def test_a_bloated_picture_is_rejected_within_the_memory_limit(make_pool):
    pool = make_pool(max_memory_bytes=500_000_000)
    buffer = io.BytesIO()
    Image.new("1", (13000, 13000)).save(buffer, "PNG")  # 20 kB; 676 MB as RGB
    assert "memory" in reason(lambda: pool.decode(buffer.getvalue(), PREPARED))
    assert pool.decode(picture(), PREPARED).width == 90


def test_large_files_go_through(make_pool):
    data = picture(3000, 2500, "BMP")
    assert len(data) > 20_000_000
    assert make_pool().decode(data, Preprocessing("stretch", 1024)).width == 3000


def test_too_large_a_file_is_rejected_without_a_worker(make_pool):
    pool = make_pool(limits=Limits(max_megabytes=0.001), command=["/nonexistent"])
    assert "max_megabytes" in reason(lambda: pool.decode(picture(), PREPARED))


def test_a_chatty_library_does_no_harm(make_pool, capfd):
    pool = make_pool(command=TREACHEROUS)
    assert reason(lambda: pool.decode(b"chatter", PREPARED)) == "is no picture we can read"
    assert capfd.readouterr() == ("", "")


def frame(header: bytes, payload: bytes = b"") -> bytes:
    return len(header).to_bytes(4, "little") + len(payload).to_bytes(8, "little") + header + payload


PIXELS = bytes(32 * 32 * 3)
JPEG = b"\xff\xd8\xff\xe0"


@pytest.mark.parametrize(
    "answer",
    [
        frame(b"not json"),
        frame(b"[]"),
        frame(b"[" * 4000),
        frame(b"{}", PIXELS + JPEG),
        frame(b'{"width": 9, "height": true}', PIXELS + JPEG),
        frame(b'{"width": 9, "height": -9}', PIXELS + JPEG),
        frame(b'{"width": 99999, "height": 99999}', PIXELS + JPEG),
        frame(b'{"width": 9, "height": 9}', PIXELS[1:]),
        frame(b'{"width": 9, "height": 9}', PIXELS + b"<script>"),
        frame(b'{"width": 9, "height": 9}', PIXELS),
        b"\xff" * 4 + bytes(8),
        bytes(4) + b"\xff" * 8,
    ],
    ids=[
        "no json",
        "no object",
        "nested",
        "no size",
        "a bool for a size",
        "negative",
        "larger than allowed",
        "too few pixels",
        "no jpeg",
        "no thumbnail",
        "endless header",
        "endless payload",
    ],
)
def test_what_a_worker_says_is_checked(make_pool, answer):
    pool = make_pool(command=LIAR)
    expected = "made the decoder answer nonsense"
    assert reason(lambda: pool.decode(answer, PREPARED)) == expected


def test_a_reason_from_a_worker_is_one_harmless_line(make_pool):
    pool = make_pool(command=LIAR)
    answer = frame(b'{"error": "is bad\\n\\u001b[2J' + b"!" * 999 + b'"}')
    text = reason(lambda: pool.decode(answer, PREPARED))
    assert text.isprintable()
    assert len(text) <= 300


def test_half_an_answer_ends_at_the_time_limit(make_pool):
    pool = make_pool(command=LIAR, timeout_seconds=0.3)
    assert "took longer" in reason(lambda: pool.decode(frame(b"{}", b"..")[:-1], PREPARED))


def test_a_worker_that_died_at_rest_is_blamed_on_no_picture(make_pool):
    pool = make_pool(command=TREACHEROUS)
    pid = pid_of_worker(pool)
    os.kill(pid, signal.SIGKILL)
    while "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text():
        time.sleep(0.01)
    assert pool.decode(picture(), PREPARED).width == 90
    assert not is_alive(pid)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_meant_for_the_daemon_do_not_end_a_worker(make_pool, number):
    pool = make_pool(command=TREACHEROUS)
    pid = pid_of_worker(pool)
    os.kill(pid, number)
    assert pid_of_worker(pool) == pid


def test_a_worker_knows_neither_secrets_nor_torch(make_pool, monkeypatch):
    monkeypatch.setenv("DISCORD_TOKEN", "secret")
    pool = make_pool(command=TREACHEROUS)
    assert "DISCORD_TOKEN" not in reason(lambda: pool.decode(b"environ", PREPARED))
    modules = reason(lambda: pool.decode(b"modules", PREPARED)).split()
    assert not {"torch", "timm", "pydantic", "pyarrow", "lancedb"} & set(modules)


def test_a_worker_starts_from_any_folder(make_pool, tmp_path, monkeypatch):
    (tmp_path / "core.py").write_text("raise SystemExit('not this one')")
    (tmp_path / "json.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    assert make_pool().decode(picture(), PREPARED).width == 90


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["/nonexistent/python"], "No such file"),
        ([sys.executable, "-c", "raise SystemExit(3)"], "exit status 3"),
    ],
    ids=["no program", "fails"],
)
def test_where_no_worker_can_start_the_picture_is_not_blamed(make_pool, command, expected):
    pool = make_pool(command=command)
    for _ in range(2):
        with pytest.raises(AppError, match=expected) as failed:
            pool.decode(picture(), PREPARED)
        assert not isinstance(failed.value, ImageError)


def test_closing_ends_every_worker_and_blames_no_picture(make_pool):
    pool = make_pool(workers=2, command=TREACHEROUS)
    pid = pid_of_worker(pool)
    errors: list[BaseException] = []

    def hang() -> None:
        try:
            pool.decode(b"hang", PREPARED)
        except AppError as error:
            errors.append(error)

    # Two are being decoded, two wait for a worker.
    threads = [threading.Thread(target=hang) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    pool.close()
    assert not is_alive(pid)
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert [type(error) for error in errors] == [AppError] * 4
    with pytest.raises(AppError, match="shutting down"):
        pool.decode(picture(), PREPARED)
    pool.close()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [(20000, 1), (1, 20000), (1, 1)])
def test_extreme_shapes_cost_no_more_than_others(method, size):
    started = time.thread_time()
    pixels = Preprocessing(method, 224)(Image.new("RGB", size, (10, 200, 30)))
    assert pixels.shape == (224, 224, 3)
    assert (np.abs(pixels.astype(int) - (10, 200, 30)) <= 1).all()
    assert time.thread_time() - started < 0.5


def test_a_decoder_that_rests_for_long_ends_and_another_comes_when_needed() -> None:
    pool = DecoderPool(DEFAULT_LIMITS, 1, rest_seconds=0.2, command=TREACHEROUS)

    def pid() -> int:
        with pytest.raises(ImageError) as said:
            pool.decode(b"pid", PREPARED)
        return int(str(said.value))

    try:
        first = pid()
        deadline = time.monotonic() + 20
        while is_alive(first):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert pid() != first
    finally:
        pool.close()
