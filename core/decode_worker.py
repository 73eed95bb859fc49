"""The process that decodes for core.decoder.DecoderPool: one picture at a time, until EOF.

Imports Pillow and NumPy, no torch: it starts in a fraction of a second and may be killed at will.
"""

import contextlib
import json
import math
import os
import resource
import signal
import socket
import sys
from pathlib import Path

from core import frames
from core.box import Box
from core.decoder import InlineDecoder
from core.errors import ImageError
from core.images import Limits
from core.preprocess import Preprocessing


def main() -> None:
    """Serve requests from the socket that is stdin; settings are the first argument."""
    settings = json.loads(sys.argv[1])
    limits = Limits(settings["max_megapixels"], settings["max_megabytes"])
    _confine(settings["max_memory_bytes"])
    with _connection() as connection:
        frames.send(connection, {"ready": True})
        # Nobody reads the answers any more once the parent is gone.
        with contextlib.suppress(EOFError, ConnectionError):
            _serve(connection, limits, math.ceil(settings["timeout_seconds"]) + 5)


def _serve(connection: socket.socket, limits: Limits, give_up_seconds: int) -> None:
    decoder = InlineDecoder(limits)
    max_payload = math.ceil(limits.max_megabytes * 1e6)
    while True:
        request, data = frames.receive(connection, max_payload_bytes=max_payload)
        # The parent kills us earlier. Should it be gone, a picture without end must not keep us;
        # SIGALRM ends the process inside a C library, too.
        signal.alarm(give_up_seconds)
        try:
            box = request["box"]
            picture = decoder.decode(
                data,
                Preprocessing.parse(str(request["preprocessing"])),
                Box(*box) if isinstance(box, list) else None,
            )
        except ImageError as error:
            frames.send(connection, {"error": str(error)})
        else:
            frames.send(
                connection,
                {"width": picture.width, "height": picture.height},
                picture.pixels.tobytes() + picture.thumbnail,
            )
        signal.alarm(0)
        del data  # while we wait


def _connection() -> socket.socket:
    connection = socket.socket(fileno=os.dup(0))
    # What a C library prints must not get between the frames.
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    return connection


def _confine(max_memory_bytes: int) -> None:
    # Ctrl-C and systemd signal the whole group; the parent decides when we end, by EOF or SIGKILL.
    # Dying of it ourselves would look as if the picture had done it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.nice(5)  # the model first: it waits for all its cores, we for nobody
    for what, most in ((resource.RLIMIT_AS, max_memory_bytes), (resource.RLIMIT_CORE, 0)):
        with contextlib.suppress(OSError, ValueError):  # macOS has no RLIMIT_AS worth the name
            resource.setrlimit(what, (most, most))
    with contextlib.suppress(OSError):  # Linux: when memory runs out, better us than the daemon
        Path("/proc/self/oom_score_adj").write_text("1000")


if __name__ == "__main__":
    main()
