"""A first index of many files, watched: `python -m bench.first_index [--files N] [--picture FILE]`.

Draws N tiny pictures into three folders, with copies and broken files among them, runs the daemon
on a terminal of its own, and asks everybody who tells of its progress: the terminal, `lookalike
status`, the page and the bot's line. Prints how good the time left was, every second of it.
"""

import argparse
import io
import os
import pty
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from itertools import pairwise
from pathlib import Path

import yaml
from PIL import Image

from bench.browser import open_browser
from bench.served_page import serve
from bot.sentences import freshness
from core.config import Config, load_config
from core.standing import current_status
from core.state import Progress, Status, read_status

SHARES = {"holidays": 0.6, "work": 0.3, "scans": 0.1}
COPY_EVERY, BROKEN_EVERY = 100, 250


def main() -> None:
    """Print the figures; write FILE."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--picture", type=Path, help="a picture of the page at half time")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lookalike-") as folder:
        work = Path(folder)
        total = draw(work, arguments.files)
        settings = {
            "roots": {name: f"./{name}" for name in SHARES},
            "model": {"name": "colour-layout"},
        }
        (work / "config.yaml").write_text(yaml.safe_dump(settings))
        config = load_config(work / "config.yaml")
        watch(config, work, total, arguments.picture)


def draw(work: Path, files: int) -> int:
    """How many there are, copies and broken ones among them."""
    dice = random.Random(1)
    number = 0
    for root, share in SHARES.items():
        for _ in range(round(files * share)):
            file = work / root / f"{number % 300:03}" / f"{number:06}.bmp"
            file.parent.mkdir(parents=True, exist_ok=True)
            if number % BROKEN_EVERY == 7:
                data = b"no picture %d" % number
            elif number % COPY_EVERY != 3:  # else the bytes of the one before
                buffer = io.BytesIO()
                Image.frombytes("RGB", (8, 8), dice.randbytes(192)).save(buffer, "BMP")
                data = buffer.getvalue()
            file.write_bytes(data)
            number += 1
    return number


def watch(config: Config, work: Path, total: int, picture: Path | None) -> None:
    """Until everything is indexed."""
    command = [sys.executable, "-m", "daemon", "--config", str(work / "config.yaml")]
    ours, theirs = pty.openpty()
    started = time.monotonic()
    daemon = subprocess.Popen(command, stderr=theirs, env=os.environ | {"COLUMNS": "100"})
    os.close(theirs)
    shown: list[str] = []
    threading.Thread(target=read_terminal, args=(ours, shown), daemon=True).start()
    samples: list[tuple[float, Progress]] = []
    half = False
    try:
        while True:
            status = read_status(config.state / "daemon")
            if status and status.progress:
                samples.append((time.monotonic() - started, status.progress))
                if not half and 2 * status.progress.done > status.progress.total:
                    half = True
                    show(config, work, status, shown, picture)
            if status and status.state == "watching":
                break
            if daemon.poll() is not None:
                raise SystemExit(f"The daemon ended with {daemon.returncode}.")
            time.sleep(1)
        judge(samples, time.monotonic() - started, total, current_status(config))
    finally:
        daemon.terminate()
        daemon.wait()


def read_terminal(descriptor: int, shown: list[str]) -> None:
    """Every line that is drawn, without colours."""
    while True:
        try:
            data = os.read(descriptor, 65536)
        except OSError:  # the daemon has ended
            return
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", data.decode("utf-8", "replace"))
        shown += [line.strip() for line in re.split(r"[\r\n]+", text) if "Indexing" in line]


def show(
    config: Config, work: Path, status: Status, shown: list[str], picture: Path | None
) -> None:
    """What everybody says at half time."""
    print("terminal:", shown[-1] if shown else "nothing")
    told = subprocess.run(
        [sys.executable, "-m", "cli", "--config", str(work / "config.yaml"), "status"],
        capture_output=True,
        text=True,
        check=True,
    )
    print("status:  ", " / ".join(line.strip() for line in told.stdout.splitlines()[:2]))
    print("bot:     ", freshness(status))
    with serve(config) as address, open_browser() as browser:
        page = browser.new_page(viewport={"width": 900, "height": 620})
        page.goto(f"{address}/status")
        print("page:    ", " ".join(page.locator("#status .line").inner_text().split()))
        if picture:
            page.screenshot(path=picture, type="png")


def judge(samples: list[tuple[float, Progress]], end: float, total: int, status: Status) -> None:
    """How early the total was known, and how far off the time left was."""
    known = next(when for when, progress in samples if progress.total == total)
    print(f"{total:,} files in {end:.0f} s: {status.indexed:,} indexed, {status.rejected} rejected")
    print(f"the total was known {known - samples[0][0]:.0f} s after there was progress at all")
    estimates = [(when, p.seconds_left) for when, p in samples if p.seconds_left is not None]
    late = [(when, left) for when, left in estimates if when < 0.9 * end]
    off = [abs(when + left - end) / end for when, left in late]
    jumps = [
        abs((later + left) - (earlier + before)) / end
        for (earlier, before), (later, left) in pairwise(late)
    ]
    print(f"the end as foretold was off by {spread(off)} of the whole time, until 9/10 were over;")
    print(f"from one second to the next it moved by {spread(jumps)}")


def spread(shares: list[float]) -> str:
    """Half of them are below the first figure, nine in ten below the second."""
    half, most = statistics.median(shares), statistics.quantiles(shares, n=10)[-1]
    return f"{100 * half:.1f} % (half of the time), {100 * most:.1f} % (nine tenths)"


if __name__ == "__main__":
    main()
