"""Streams that know the digest of what passed, and refuse to hold too much of it at once."""

import hashlib
import os
from typing import IO

from core.backup import BackupError

_MOST_AT_ONCE = 256 << 20
"""Bytes of one message; ours have some megabytes."""


class BoundedFile:
    """The whole file for zipfile, which reads the list of what is in it at once."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        if size > _MOST_AT_ONCE:
            raise BackupError("it asks for more at once than ours ever do")
        return self._stream.read(min(_MOST_AT_ONCE, size) if size >= 0 else _MOST_AT_ONCE)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        pass


class HashedReader:
    """A part to read from, for Arrow; no message may be larger than _MOST_AT_ONCE."""

    closed = False

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MOST_AT_ONCE:
            raise BackupError("it asks for more at once than ours ever do")
        data = self._stream.read(size)
        self.hash.update(data)
        return data

    def finish(self) -> None:
        """Nothing may follow."""
        if self._stream.read(1):
            raise BackupError("something follows its end")

    def tell(self) -> int:
        return self._stream.tell()

    def close(self) -> None:
        pass


class HashedWriter:
    """A part to write to, for Arrow."""

    closed = False

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.hash = hashlib.sha256()
        self.size_bytes = 0

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        self.hash.update(view)
        self.size_bytes += view.nbytes
        return self._stream.write(view)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass
