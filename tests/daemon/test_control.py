import socket
import stat
import threading
from pathlib import Path

import pytest

from core.errors import AppError
from core.local_sockets import listen
from daemon.control import ControlServer, Request, ask_daemon


@pytest.fixture(params=["short", "longer than the kernel takes"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path if request.param == "short" else tmp_path / ("d" * 60) / ("e" * 60)
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "control.sock"


def answer(request: Request) -> None:
    request.tell({"done": 1})
    request.tell({"done": 2})
    request.finish({"got": request.arguments})


def test_progress_then_the_result(file: Path) -> None:
    server = ControlServer(file, answer)
    server.start()
    progress: list[dict[str, object]] = []
    try:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        result = ask_daemon(file, "sync", {"paths": ["/a"]}, progress.append)
    finally:
        server.stop()
    assert result == {"got": {"paths": ["/a"]}}
    assert progress == [{"done": 1}, {"done": 2}]


def test_a_refusal_keeps_its_sentence_and_exit_code(file: Path) -> None:
    def refuse(request: Request) -> None:
        error = AppError("No such root.")
        error.exit_code = 2
        request.fail(error)

    server = ControlServer(file, refuse)
    server.start()
    try:
        with pytest.raises(AppError, match="No such root") as caught:
            ask_daemon(file, "adopt", {}, print)
    finally:
        server.stop()
    assert caught.value.exit_code == 2


def test_no_daemon_is_no_answer(file: Path) -> None:
    assert ask_daemon(file, "sync", {}, print) is None
    listen(file).close()  # as a SIGKILL leaves it: the file lies there
    assert ask_daemon(file, "sync", {}, print) is None


@pytest.mark.parametrize("line", [b"rubbish\n", b"[]\n", b"{}\n", b'"x"\n', b"\xff\n", b"\n"])
def test_rubbish_gets_an_answer_and_harms_nobody(tmp_path: Path, line: bytes) -> None:
    file = tmp_path / "control.sock"
    server = ControlServer(file, answer)
    server.start()
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(file))
            client.sendall(line)
            assert b"no command" in client.makefile("rb").readline()
        assert ask_daemon(file, "sync", {}, lambda _: None) == {"got": {}}
    finally:
        server.stop()


def test_a_client_that_leaves_does_not_disturb_the_next(tmp_path: Path) -> None:
    file, release = tmp_path / "control.sock", threading.Event()

    def slow(request: Request) -> None:
        release.wait(5)
        answer(request)

    server = ControlServer(file, slow)
    server.start()
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(file))
            client.sendall(b'{"command": "sync"}\n')
        release.set()
        assert ask_daemon(file, "sync", {}, lambda _: None) == {"got": {}}
    finally:
        server.stop()
