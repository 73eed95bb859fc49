"""A process of core.decode_worker, seen from the process that started it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from core import frames
from core.errors import AppError, ImageError
from core.programs import command_of

COMMAND = command_of("core.decode_worker")
# Only what Python needs: the secrets in our environment are none of a decoder's business.
_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_", "PYTHON", "LD_", "DYLD_", "TMPDIR")
# Threads and their arenas count against RLIMIT_AS by what they reserve, not by what they use.
_THRIFT = {"OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
_BUFFER_BYTES = 1 << 19
_START_SECONDS = 60
_LAST_WORDS_SECONDS = 2


class Crash(Exception):  # noqa: N818 - the pool turns it into an error
    """The worker is gone; the text says how."""

    @property
    def from_outside(self) -> bool:
        """SIGKILL: the kernel, short of memory, takes decoders first; a picture cannot send it."""
        return "SIGKILL" in str(self)


class WorkerProcess:
    """One process and the socket that is its stdin and stdout. One thread at a time."""

    def __init__(self, command: Sequence[str]) -> None:
        environ = {k: v for k, v in os.environ.items() if k.startswith(_KEPT_VARIABLES)}
        self._ready = False
        self._connection, theirs = socket.socketpair()
        for end in (self._connection, theirs):
            # A whole answer fits, so that it costs one change of process, not one every few KB.
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        try:
            self._process = subprocess.Popen(
                command,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,  # libtiff talks a lot
                env=environ | _THRIFT,
            )
        except OSError as error:
            self._connection.close()
            raise AppError(f"The decoder cannot start: {error}.") from None
        finally:
            theirs.close()

    def greet(self) -> None:
        """Wait, the first time, until it is ready; AppError if it never will be."""
        if self._ready:
            return
        try:
            deadline = time.monotonic() + _START_SECONDS
            frames.receive(self._connection, max_payload_bytes=0, deadline=deadline)
            self._ready = True
        except (OSError, EOFError, ValueError):
            how = self.end(patience_seconds=_LAST_WORDS_SECONDS)
            raise AppError(
                f"The decoder cannot start ({how}). Is there memory left, and do Pillow and NumPy "
                f"work in {sys.executable}?"
            ) from None
        except BaseException:
            self.end()
            raise

    def ask(
        self, header: Mapping[str, object], data: bytes, *, max_bytes: int, timeout_seconds: float
    ) -> tuple[dict[str, object], bytes]:
        """Its answer, unchecked; Crash or ImageError if it does not survive `data`."""
        deadline = time.monotonic() + timeout_seconds
        try:
            frames.send(self._connection, header, data, deadline=deadline)
            return frames.receive(self._connection, max_payload_bytes=max_bytes, deadline=deadline)
        except TimeoutError:
            self.end()
            raise ImageError(f"took longer than {timeout_seconds:g} s to decode") from None
        except (OSError, EOFError):
            how = self.end(patience_seconds=_LAST_WORDS_SECONDS)
            raise Crash(how) from None
        except BaseException:  # nonsense, or Ctrl-C with half a message on the line
            self.end()
            raise

    @property
    def ended(self) -> bool:
        """Whether it is gone, for whatever reason."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """Any thread may; the one that is asking sees it end."""
        self._process.kill()
        self._process.wait()

    def end(self, *, patience_seconds: float = 0) -> str:
        """Make sure that it is gone; how it went, for people."""
        self._connection.close()
        try:
            self._process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
        code = self._process.returncode
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
