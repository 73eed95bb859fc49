"""The real page, served from this process, in a real browser: for figures and screenshots."""

import asyncio
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from playwright.sync_api import Browser, sync_playwright

from core.config import Config
from web.app import create_app
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
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(config, keys),
            host="127.0.0.1",
            port=0,
            ws="none",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=3,
        )
    )
    started = threading.Event()

    async def run() -> None:
        serving = asyncio.create_task(server.serve())
        while not server.started and not serving.done():
            await asyncio.sleep(0.005)
        started.set()
        await serving

    thread = threading.Thread(target=lambda: asyncio.run(run()), name="page")
    thread.start()
    try:
        started.wait()
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
