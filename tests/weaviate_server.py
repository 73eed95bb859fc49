"""A real Weaviate server for tests: started here with a folder and ports of its own."""

import os
import random
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PROGRAM = os.environ.get("WEAVIATE_BINARY") or shutil.which("weaviate-server")
WRITER_KEY, READER_KEY = "test-writer-key", "test-reader-key"
OLDEST = os.environ.get("WEAVIATE_OLDEST")
"""Such as 1.35, to test with a server that is older than what we take."""
START_SECONDS = 40
_FIRST_PORT = 20_000

KEYS = {
    "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "false",
    "AUTHENTICATION_APIKEY_ENABLED": "true",
    "AUTHENTICATION_APIKEY_ALLOWED_KEYS": f"{WRITER_KEY},{READER_KEY}",
    "AUTHENTICATION_APIKEY_USERS": "daemon,reader",
    "AUTHORIZATION_ADMINLIST_ENABLED": "true",
    "AUTHORIZATION_ADMINLIST_USERS": "daemon",
    "AUTHORIZATION_ADMINLIST_READONLY_USERS": "reader",
}
"""As we ship it. gRPC listens on every interface whatever we say, so nobody is let in without."""


class WeaviateServer:
    """One process on loopback. Frozen, killed and started again as a test likes."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        keeper, ports = _own_ports(6)
        weakref.finalize(self, keeper.close)
        self.port, self.grpc_port, self.gossip_port, _, self.raft_port, _ = ports
        names = ("CLUSTER_GOSSIP_BIND_PORT", "CLUSTER_DATA_BIND_PORT", "RAFT_PORT",
                 "RAFT_INTERNAL_RPC_PORT")  # fmt: skip
        self._environ = {
            "PATH": os.environ["PATH"],
            "PERSISTENCE_DATA_PATH": str(folder / "data"),
            "GRPC_PORT": str(self.grpc_port),
            **dict(zip(names, map(str, ports[2:]), strict=True)),
            "CLUSTER_HOSTNAME": "node1",
            "CLUSTER_ADVERTISE_ADDR": "127.0.0.1",
            "CLUSTER_BIND_ADDR": "127.0.0.1",
            "CLUSTER_IN_LOCALHOST": "true",
            "RAFT_TIMEOUTS_MULTIPLIER": "1",  # the start takes 3 s instead of 10
            "RAFT_BOOTSTRAP_TIMEOUT": "30",
            "AUTOSCHEMA_ENABLED": "false",
            "API_BASED_MODULES_DISABLED": "true",
            "DISABLE_TELEMETRY": "true",
            "GO_PROFILING_DISABLE": "true",
            "GOMAXPROCS": "2",
            "QUERY_MAXIMUM_RESULTS": "1000",  # so that every limit is met with few rows
            "DISK_USE_WARNING_PERCENTAGE": "99",
            "DISK_USE_READONLY_PERCENTAGE": "99",
            **KEYS,
            **environ,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def configure(self, **environ: str) -> None:
        """From the next start on."""
        self._environ |= environ

    def url(self, name: str = "Test", **options: str) -> str:
        """The store URL."""
        if OLDEST:
            options = {"oldest": OLDEST} | options
        rest = "".join(f"&{option}={value}" for option, value in options.items())
        return f"weaviate://127.0.0.1:{self.port}/{name}?grpc={self.grpc_port}{rest}"

    def start(self, *, wait: bool = True, seconds: float = START_SECONDS) -> None:
        assert PROGRAM is not None
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "--host", "127.0.0.1", "--port", str(self.port), "--scheme", "http"],
                cwd=self.folder,
                env=self._environ,
                stdout=log,
                stderr=log,
            )
        if wait:
            self.wait_ready(seconds)

    def wait_ready(self, seconds: float = START_SECONDS) -> None:
        end = time.monotonic() + seconds
        while not self.is_ready():
            assert self.process is not None
            assert self.process.poll() is None, (self.folder / "log").read_text()[-3000:]
            assert time.monotonic() < end, "the server does not get ready"
            time.sleep(0.05)

    def is_ready(self) -> bool:
        ready = f"http://127.0.0.1:{self.port}/v1/.well-known/ready"
        try:
            with urllib.request.urlopen(ready, timeout=1) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(10)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    def stop(self, seconds: float = 20) -> None:
        if self.process and self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()

    def disk_bytes(self, collections: str = "*") -> int:
        """What its data takes, or that of some collections, whose folders have names in small
        letters; blocks, as the server makes files larger than what is in them."""
        files = (self.folder / "data").glob(f"{collections}/**/*")
        return sum(512 * file.lstat().st_blocks for file in files if file.is_file())


def _own_ports(count: int) -> tuple[socket.socket, list[int]]:
    """Ports in a row, as on one host the servers of a cluster find each other by adding 1, and what
    keeps them: the port before them, bound as long as the socket is open. They lie below those that
    the system gives away, so that nobody takes one while its server is down."""
    starts = list(range(_FIRST_PORT, _first_given_away() - count - 1, count + 1))
    random.shuffle(starts)
    for first in starts:
        with ExitStack() as stack:
            keeper, *others = [stack.enter_context(socket.socket()) for _ in range(count + 1)]
            try:
                keeper.bind(("127.0.0.1", first))
                for port, each in enumerate(others, first + 1):
                    each.bind(("", port))  # gRPC listens everywhere
            except OSError:
                continue
            for each in others:
                each.close()
            stack.pop_all()
            return keeper, list(range(first + 1, first + 1 + count))
    raise AssertionError("no ports are free")


def _first_given_away() -> int:
    try:
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
    except OSError:
        return 32768
    return max(_FIRST_PORT + 1000, int(text.split()[0]))
