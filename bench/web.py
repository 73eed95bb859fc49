"""From a dropped picture to results, in a real browser: `python -m bench.web FOLDER`.

Indexes FOLDER by the ordinary way, runs the daemon and the page, and drops pictures that are not
indexed (their pixels are changed a little) onto it, one after the other.
"""

import argparse
import base64
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page
from rich.console import Console
from rich.table import Table

from bench.altered import altered
from bench.browser import open_browser
from bench.indexed import indexed, running_daemon
from bench.served_page import serve

DROPS = 100
WARM_DROPS = 5

# Answers the milliseconds from the drop to the results' cards, and to the last visible thumbnail.
_DROP = """async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const data = new DataTransfer();
    data.items.add(new File([bytes], "picture.jpg", { type: "image/jpeg" }));
    const before = document.getElementById("answer");
    const started = performance.now();
    const results = new Promise((done) => {
        new MutationObserver((_, observer) => {
            const now = document.getElementById("answer");
            if (now === before || !now.querySelector(".card")) return;
            observer.disconnect();
            done(performance.now() - started);
        }).observe(document.getElementById("main"), { childList: true });
    });
    const drop = new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
    document.body.dispatchEvent(drop);
    const shown = await results;
    const visible = [...document.querySelectorAll(".card img")].filter(
        (image) => image.getBoundingClientRect().top < innerHeight);
    await Promise.all(visible.map((image) => image.decode()));
    return [shown, performance.now() - started];
}"""


def main() -> None:
    """Print the table; with --json, one document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="dinov2_vits14")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = measure(arguments.folder, arguments.model)
    if arguments.json:
        print(json.dumps(figures))
    else:
        _show(figures)


def measure(folder: Path, model: str) -> dict[str, Any]:
    """Milliseconds at the median and the 95th percentile."""
    files = sorted(folder.rglob("*.jpg"))
    queries = [altered(file) for file in files[:: max(1, len(files) // DROPS)]]
    with tempfile.TemporaryDirectory(prefix="lookalike-bench-") as work:
        config = indexed(Path(work), folder, model)
        with (
            running_daemon(config, Path(work)),
            serve(config) as address,
            open_browser() as browser,
        ):
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(address)
            for query in queries[:WARM_DROPS]:
                _drop(page, query)
            pairs = [_drop(page, query) for query in queries]
    results, thumbnails = zip(*pairs, strict=True)
    return {
        "pictures": len(files),
        "drops": len(pairs),
        **_quantiles("results", results),
        **_quantiles("thumbnails", thumbnails),
    }


def _drop(page: Page, picture: bytes) -> tuple[float, float]:
    shown, complete = page.evaluate(_DROP, base64.b64encode(picture).decode())
    return float(shown), float(complete)


def _quantiles(name: str, milliseconds: tuple[float, ...]) -> dict[str, float]:
    return {
        f"{name}_p50_ms": statistics.median(milliseconds),
        f"{name}_p95_ms": statistics.quantiles(milliseconds, n=20)[-1],
    }


def _show(figures: dict[str, Any]) -> None:
    table = Table(title=f"{figures['drops']} drops, {figures['pictures']} pictures indexed")
    for column in ("from the drop to", "p50", "p95", "bar"):
        table.add_column(column)
    for what, name, bar in (
        ("the results", "results", "p95 <= 250 ms"),
        ("the last visible thumbnail", "thumbnails", ""),
    ):
        middle, high = figures[f"{name}_p50_ms"], figures[f"{name}_p95_ms"]
        table.add_row(what, f"{middle:.0f} ms", f"{high:.0f} ms", bar)
    Console().print(table)


if __name__ == "__main__":
    main()
