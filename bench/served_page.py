"""The real page, served from this process, in a real browser: for figures and screenshots."""

import asyncio
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from core.config import Config
from web.runner import listen, make_server
from web.security import Keys

_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str | None:
    """A system browser; CHROMIUM names another."""
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, _CHROMIUM)), None)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Chromium without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=["--no-sandbox"] * (os.geteuid() == 0)
        )
        try:
            yield browser
        finally:
            browser.close()


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
