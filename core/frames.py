"""Messages over a socket: a small JSON header and raw bytes.

No pickle: whoever has broken into the process at the other end must not get into this one.
"""

import io
import json
import socket
import struct
import time
from collections.abc import Mapping

_LENGTHS = struct.Struct("<IQ")
_MAX_HEADER_BYTES = 1 << 15  # it may hold a path, in which JSON writes a byte as six
_CHUNK_BYTES = 1 << 20


def send(
    connection: socket.socket,
    header: Mapping[str, object],
    payload: bytes = b"",
    *,
    deadline: float | None = None,
) -> None:
    """Write one message; TimeoutError at `deadline` (time.monotonic), OSError if nobody reads."""
    text = json.dumps(header).encode()
    _set_timeout(connection, deadline)
    connection.sendall(_LENGTHS.pack(len(text), len(payload)) + text)
    _set_timeout(connection, deadline)
    connection.sendall(payload)


def receive(
    connection: socket.socket, *, max_payload_bytes: int, deadline: float | None = None
) -> tuple[dict[str, object], bytes]:
    """Read one message.

    TimeoutError at `deadline`, EOFError where the other end is gone, ValueError if what comes is
    no message or too long.
    """
    lengths = _read(connection, _LENGTHS.size, deadline)
    header_bytes, payload_bytes = _LENGTHS.unpack(lengths)
    if header_bytes > _MAX_HEADER_BYTES or payload_bytes > max_payload_bytes:
        raise ValueError("message too long")
    try:
        header = json.loads(_read(connection, header_bytes, deadline))
    except RecursionError:
        raise ValueError("header too deep") from None
    if not isinstance(header, dict):
        raise ValueError("header is no object")
    return header, _read(connection, payload_bytes, deadline)


def _read(connection: socket.socket, count: int, deadline: float | None) -> bytes:
    buffer = io.BytesIO()  # hands out what it holds without a copy; a bytearray would not
    while (missing := count - buffer.tell()) > 0:
        _set_timeout(connection, deadline)
        chunk = connection.recv(min(missing, _CHUNK_BYTES))
        if not chunk:
            raise EOFError
        buffer.write(chunk)
    return buffer.getvalue()


def _set_timeout(connection: socket.socket, deadline: float | None) -> None:
    if deadline is None:
        return
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise TimeoutError
    connection.settimeout(remaining)
