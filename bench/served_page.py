"""The real page, served from this process: for figures, screenshots and tests."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from core.config import Config
from core.keys import Keys
from core.listening import listen
from web.runner import make_server


@contextmanager
def serve(config: Config, keys: Keys | None = None) -> Iterator[str]:
    """The address of the page, e.g. http://127.0.0.1:40123, on a port that was free."""
    server = make_server(config, keys or Keys())
    listener = listen(socket.AF_INET, ("127.0.0.1", 0))  # from here on it keeps who comes waiting
    port = listener.getsockname()[1]
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), name="page")
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
