"""The page stops when it is told to, whatever a search is waiting for."""

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.model_service import wait
from tests.pictures import jpeg, write
from tests.project import TOP, Project

DECODE_SECONDS = 60
"""So long a decoder may take before it is given up."""


def decoders(pid: int) -> list[int]:
    """Each is a child of the thread that started it."""
    lists = [thread / "children" for thread in Path(f"/proc/{pid}/task").iterdir()]
    return [int(child) for each in lists for child in each.read_text().split()]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_search_that_hangs_does_not_hold_up_the_end(project: Project) -> None:
    project.configure(web={"port": 0})
    write(project.dataset / "0.jpg", 0)
    project.cli("sync")
    said = project.folder / "web.log"
    with said.open("w") as log:
        page = subprocess.Popen(project.command("web"), cwd=TOP, env=project.environ, stderr=log)
    hung: list[int] = []
    try:
        wait(lambda: "The page is at" in said.read_text(), 120)
        found = re.search(r"The page is at (\S+)", said.read_text())
        assert found

        def ask(seed: int) -> bool:
            image = {"image": jpeg(seed)}  # unknown, or it would not be decoded
            try:
                answer = httpx.post(f"{found[1]}api/search", files=image, timeout=90)
            except httpx.HTTPError:
                return False
            return answer.status_code == 200

        assert ask(1)
        hung = decoders(page.pid)
        assert hung, "no decoder"
        for pid in hung:
            os.kill(pid, signal.SIGSTOP)
        asking = threading.Thread(target=ask, args=[2])
        asking.start()
        time.sleep(1)  # it is on its way
        assert asking.is_alive()
        told = time.monotonic()
        page.terminate()
        assert page.wait(90) == 0
        assert time.monotonic() - told < DECODE_SECONDS / 2
        asking.join()
    finally:
        page.kill()
        page.wait()
        for pid in hung:
            with contextlib.suppress(ProcessLookupError):  # as it should be
                os.kill(pid, signal.SIGKILL)
