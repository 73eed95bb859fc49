"""One writer for each NAME: a heartbeat row says who it is, as a server knows no file lock."""

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from core.errors import AppError, StoreAwayError, StoreError
from core.stores.weaviate_notes import Notes
from core.stores.weaviate_servers import WeaviateServers

_log = logging.getLogger(__name__)

_KEY = "writer"
_BEAT_SECONDS = 5.0
_FIRST_BEAT_SECONDS = 1.0
"""Soon after the start: two that began at the same moment learn of each other."""
SILENT_SECONDS = 30.0
_TRUSTED_SECONDS = 15.0
"""Without a beat for so long, a writer looks first whether it still is the one."""

_STOP_SECONDS = 2.0


class SecondWriterError(AppError):
    """Another process keeps this index; not a StoreError, as waiting does not help."""


class Writer:
    """The right to write, taken at the first write and renewed until it is released."""

    def __init__(
        self,
        servers: WeaviateServers,
        notes: Notes,
        *,
        writable: bool,
        taken: Callable[[], None] = lambda: None,
        silent_seconds: float = SILENT_SECONDS,
    ) -> None:
        """`taken` is called when writing begins, after whoever wrote before. `silent_seconds`: a
        writer not heard of for so long is gone."""
        self._servers = servers
        self._notes = notes
        self._writable = writable
        self._taken = taken
        self._silent_seconds = silent_seconds
        self._lock = threading.RLock()
        self._token = uuid.uuid4().hex
        self._beats = 0
        self._trusted_until = 0.0
        self._seen: dict[str, Any] | None = None
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One write at a time. StoreError where nothing may be written, or cannot be found out
        whether it may; SecondWriterError if another process writes here."""
        if not self._writable:
            raise StoreError(f"The index in {self._servers.address} was opened for reading only.")
        with self._lock:
            if time.monotonic() > self._trusted_until:
                self._take()
            yield

    def release(self) -> None:
        """Let the next one write at once; idempotent."""
        self._end.set()
        if thread := self._thread:
            thread.join(_STOP_SECONDS)
            self._thread = None
            with suppress(StoreError):
                if self._is_ours(self._notes.read(_KEY)):
                    self._notes.delete(_KEY)

    def holder(self) -> tuple[str, float] | None:
        """Who writes here, `pid@host`, and how many seconds ago it was heard of; None: nobody."""
        found = self._notes.read_dated(_KEY)
        if found is None or _is_dead(found[0]):
            return None
        age = self._servers.server_seconds() - found[1]
        return f"{found[0].get('pid')}@{found[0].get('host')}", max(0.0, age)

    def _take(self) -> None:
        found = self._notes.read_dated(_KEY)
        after_another = self._thread is None
        if found and not self._is_ours(found[0]):
            self._refuse_unless_gone(*found)
            after_another = True
        begun = time.monotonic()
        self._beat()
        if not self._is_ours(now := self._notes.read(_KEY)):
            raise SecondWriterError(self._sentence(now or {}))
        if after_another:
            self._taken()
        self._trusted_until = begun + _TRUSTED_SECONDS
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
            self._thread.start()

    def _refuse_unless_gone(self, other: dict[str, Any], written_seconds: float) -> None:
        if _is_dead(other):
            return
        age = self._servers.server_seconds() - written_seconds
        if age >= self._silent_seconds:
            return
        before, self._seen = self._seen, other
        if self._thread or (before and before != other):
            raise SecondWriterError(self._sentence(other))  # it took over, or it lives
        raise StoreAwayError(
            f"{self._sentence(other)} It was heard of {max(0, age):.0f} s ago; once it has been "
            f"silent for {self._silent_seconds:.0f} s, its place is free."
        )

    def _sentence(self, other: dict[str, Any]) -> str:
        return (
            f"Another daemon (process {other.get('pid')} on {other.get('host')}) keeps the index "
            f"in {self._servers.address}. Stop it first, or choose another NAME in 'store'."
        )

    def _beat(self) -> None:
        self._beats += 1
        self._notes.write(_KEY, {"token": self._token, "beat": self._beats, **_ourselves()})

    def _run(self) -> None:
        pause = _FIRST_BEAT_SECONDS
        while not self._end.wait(pause):
            pause = _BEAT_SECONDS
            try:
                begun = time.monotonic()
                if self._is_ours(self._notes.read(_KEY)):
                    self._beat()
                    self._trusted_until = begun + _TRUSTED_SECONDS
                else:
                    self._trusted_until = 0.0  # the next write finds out more
            except StoreError as error:
                _log.debug("no heartbeat: %s", error)

    def _is_ours(self, note: dict[str, Any] | None) -> bool:
        return note is not None and note.get("token") == self._token


def _ourselves() -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": os.getpid(), "machine": _machine()}


def _machine() -> str:
    """Names the running system, and the part of it in which process numbers are the same."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    return ""


def _is_dead(other: dict[str, Any]) -> bool:
    """Whether it surely is: a process of this very system that is no more."""
    if not _machine() or other.get("machine") != _machine():
        return False
    try:
        os.kill(int(other["pid"]), 0)
    except ProcessLookupError:
        return True
    except (OSError, KeyError, ValueError):
        return False
    return False
