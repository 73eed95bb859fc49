"""Draws the page as people see it: `python -m bench.screenshots FOLDER OUT PICTURE`.

Indexes FOLDER without PICTURE (a path below it), runs the daemon and the page, and asks with
PICTURE: on a desktop, on a phone, in the dark, with a part of it, and with a file that is none.
"""

import argparse
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page

from bench.browser import open_browser
from bench.indexed import indexed, running_daemon
from bench.served_page import serve

DESKTOP = (1280, 800)
PHONE = (390, 844)
QUALITY = 82
PART = (0.06, 0.14, 0.5, 0.6)


def main() -> None:
    """Write OUT/page*.jpg."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("picture")
    parser.add_argument("--model", default="dinov2_vits14")
    arguments = parser.parse_args()
    picture = arguments.folder / arguments.picture
    with tempfile.TemporaryDirectory(prefix="lookalike-") as work:
        config = indexed(
            Path(work),
            arguments.folder,
            arguments.model,
            name=arguments.folder.name,
            left_out=[arguments.picture],
        )
        with (
            running_daemon(config, Path(work)),
            serve(config) as address,
            open_browser() as browser,
        ):
            _draw(browser, address, picture, arguments.out)


def _draw(browser: Browser, address: str, picture: Path, out: Path) -> None:
    page = _open(browser, address, DESKTOP)
    _shoot(page, out / "page-empty.jpg")
    for _ in range(2):  # the second answer shows what an answer costs once the model is warm
        _ask(page, picture)
    _shoot(page, out / "page.jpg")
    _mark(page)
    _shoot(page, out / "page-part.jpg")
    page.set_input_files("#image", {"name": "x", "mimeType": "image/jpeg", "buffer": b"no picture"})
    page.wait_for_selector("#answer[data-state=error]")
    _shoot(page, out / "page-error.jpg")
    dark = _open(browser, address, DESKTOP, dark=True)
    _ask(dark, picture)
    _shoot(dark, out / "page-dark.jpg")
    phone = _open(browser, address, PHONE, phone=True)
    _ask(phone, picture)
    _shoot(phone, out / "page-phone.jpg")


def _open(
    browser: Browser,
    address: str,
    size: tuple[int, int],
    *,
    dark: bool = False,
    phone: bool = False,
) -> Page:
    page = browser.new_page(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        is_mobile=phone,
        has_touch=phone,
        device_scale_factor=2 if phone else 1,
    )
    page.goto(address)
    return page


def _ask(page: Page, picture: Path) -> None:
    before = page.locator("#answer").element_handle()
    page.set_input_files("#image", picture)
    page.wait_for_function("old => document.getElementById('answer') !== old", arg=before)
    page.wait_for_selector("#answer[data-state=results]")
    page.wait_for_load_state("networkidle")


def _mark(page: Page) -> None:
    frame = page.locator("#crop").bounding_box()
    assert frame is not None
    x, y, width, height = PART
    page.mouse.move(frame["x"] + x * frame["width"], frame["y"] + y * frame["height"])
    page.mouse.down()
    right, bottom = (x + width) * frame["width"], (y + height) * frame["height"]
    page.mouse.move(frame["x"] + right, frame["y"] + bottom, steps=4)
    page.mouse.up()
    page.wait_for_selector("#part")
    page.wait_for_load_state("networkidle")


def _shoot(page: Page, file: Path) -> None:
    page.screenshot(path=file, type="jpeg", quality=QUALITY)


if __name__ == "__main__":
    main()
