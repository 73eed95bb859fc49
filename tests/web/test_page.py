"""The page in a real browser, with and without its script."""

import base64
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.pictures import draw, jpeg, write
from tests.project import Project

pytest.importorskip("playwright", reason="needs playwright, of the development packages")

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from bench.browser import find_chromium, open_browser

if not find_chromium():
    pytest.skip(
        "needs a browser: install chromium, or name one in CHROMIUM", allow_module_level=True
    )

PATIENCE_MS = 20_000
expect.set_options(timeout=PATIENCE_MS)
RESULTS = "#answer[data-state=results]"
ERROR = "#answer[data-state=error]"
DROP = """async ([base64, name]) => {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const data = new DataTransfer();
    data.items.add(new File([bytes], name, { type: "image/jpeg" }));
    for (const kind of ["dragenter", "dragover", "drop"]) {
        document.body.dispatchEvent(
            new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
    }
}"""
PASTE = DROP.replace('for (const kind of ["dragenter", "dragover", "drop"])', "").replace(
    "new DragEvent(kind, { dataTransfer: data,",
    'new ClipboardEvent("paste", { clipboardData: data,',
)

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def ordinary(browser: Browser) -> BrowserContext:
    """A desktop in daylight; to make one takes half a second."""
    return browser.new_context()


@pytest.fixture
def open_page(browser: Browser, ordinary: BrowserContext, address: str) -> Iterator[Open]:
    """Opens pages that may not complain: whatever the console says fails the test."""
    complaints: list[str] = []
    opened: list[Page | BrowserContext] = []

    def start(path: str = "/", **options: Any) -> Page:
        context = browser.new_context(**options) if options else ordinary
        page = context.new_page()
        opened.append(context if options else page)
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda m: complaints.append(m.text) if m.type != "log" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda r: r.url.startswith(("blob:", "data:", address)) or complaints.append(r.url),
        )
        page.goto(address + path)
        return page

    yield start
    for each in opened:
        each.close()
    # Chromium itself notes every answer that is no success, or none.
    expected = ("the server responded with a status of 4", "net::ERR_FAILED")
    assert [c for c in complaints if not any(e in c for e in expected)] == []


def put(page: Page, script: str, data: bytes, name: str = "my holiday.jpg") -> None:
    page.evaluate(script, [base64.b64encode(data).decode(), name])


def choose(page: Page, data: bytes) -> None:
    page.set_input_files("#image", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": data})


def names(page: Page) -> list[str]:
    return [
        text or ""
        for text in page.locator(".card .where").evaluate_all("all => all.map(e => e.title)")
    ]


def test_drop_a_picture_and_see_its_look_alikes(open_page: Open) -> None:
    page = open_page()
    put(page, DROP, jpeg(7))
    page.wait_for_selector(RESULTS)
    first = page.locator(".card").first
    expect(first).to_contain_text("identical")
    expect(first).to_contain_text("0.000")
    assert names(page)[0] == "dataset/dogs/07.jpg"
    assert len(names(page)) == 24
    expect(page.locator("#overlay")).to_be_hidden()
    expect(page.locator("#announce")).to_contain_text(
        "24 closest pictures, the closest: dataset/dogs/07"
    )
    loaded = "image => image.complete && image.naturalWidth > 0"
    for image in (first.locator("img"), page.locator("#whole")):
        page.wait_for_function(loaded, arg=image.element_handle())
    expect(page.locator("#heading")).to_be_focused()


def test_paste_photograph_and_path(open_page: Open) -> None:
    page = open_page()
    put(page, PASTE, jpeg(4))
    page.wait_for_selector(RESULTS)
    assert names(page)[0] == "dataset/dogs/04.jpg"
    photo = page.locator("#photo")
    assert photo.get_attribute("capture") == "environment"
    photo.set_input_files({"name": "p.jpg", "mimeType": "image/jpeg", "buffer": jpeg(6)})
    expect(page.locator(".card .where").first).to_have_attribute("title", "dataset/cats/06.jpg")
    page.fill("#path", "dataset/dogs/10.jpg")
    page.press("#path", "Enter")
    expect(page.locator(".card .where").first).to_have_attribute("title", "dataset/dogs/10.jpg")
    assert "similar=" in page.url


@pytest.mark.slow
def test_click_one_to_search_with_it_and_go_back(open_page: Open, address: str) -> None:
    page = open_page()
    choose(page, jpeg(7))
    page.wait_for_selector(RESULTS)
    third = names(page)[2]
    page.locator(".card > a").nth(2).click()
    expect(page.locator("#query-heading")).to_have_text(third)
    assert names(page)[0] == third
    shared = page.url
    page.go_back()
    expect(page.locator("#query-heading")).to_have_text("Your picture")
    assert names(page)[2] == third
    other = open_page(shared.removeprefix(address))
    assert names(other)[0] == third, "the address alone shows the same to anyone"


def test_copies_are_one_card_that_lists_its_places(open_page: Open) -> None:
    page = open_page()
    choose(page, jpeg(3))
    page.wait_for_selector(RESULTS)
    card = page.locator(".card").first
    card.locator("summary").click()
    expect(card.locator("details li")).to_have_text("dataset/copies/again.jpg")
    assert names(page).count("dataset/copies/again.jpg") == 0


@pytest.mark.slow
def test_more_and_the_folder_filter(open_page: Open) -> None:
    page = open_page()
    choose(page, jpeg(3))
    page.wait_for_selector(RESULTS)
    page.click("#more")
    expect(page.locator(".card")).to_have_count(30)
    page.fill("#under", "dataset/odd & <b>names</b>")
    page.press("#under", "Enter")
    expect(page.locator(".card")).to_have_count(10)
    assert all(name.startswith("dataset/odd & <b>names</b>/") for name in names(page))
    page.locator(".card > a").first.click()
    expect(page.locator("#share")).to_be_visible()
    assert "under=dataset" in page.url
    page.fill("#under", "dataset/nothing")
    page.click("#filter button")
    expect(page.locator("#heading")).to_contain_text("Nothing found")


def test_draw_a_part_with_the_pointer(open_page: Open) -> None:
    page = open_page()
    choose(page, jpeg(5, (960, 640)))
    page.wait_for_selector(RESULTS)
    whole = page.locator("#crop").bounding_box()
    assert whole
    page.mouse.move(whole["x"] + whole["width"] * 0.25, whole["y"] + whole["height"] * 0.25)
    page.mouse.down()
    page.mouse.move(whole["x"] + whole["width"] * 0.75, whole["y"] + whole["height"] * 0.5, steps=4)
    page.mouse.up()
    part = page.locator("#part")
    expect(part).to_be_visible()
    box = [float(n) for n in page.get_attribute("#crop", "data-box").split(",")]  # type: ignore[union-attr]
    assert box == pytest.approx([0.25, 0.25, 0.5, 0.25], abs=0.02)
    page.wait_for_function("image => image.naturalWidth > 0", arg=part.element_handle())
    size = part.evaluate("image => image.naturalWidth / image.naturalHeight")
    assert size == pytest.approx(box[2] * 960 / (box[3] * 640), rel=0.05)
    page.click("#unmark")
    expect(part).to_have_count(0)
    expect(page.locator(".card .distance").first).to_be_visible()


def test_draw_a_part_with_the_keyboard(open_page: Open, client: httpx.Client) -> None:
    page = open_page()
    choose(page, jpeg(5))
    page.wait_for_selector(RESULTS)
    page.locator("#mark").focus()
    page.keyboard.press("Enter")
    box = page.locator(".box")
    expect(box).to_be_focused()
    for key in ("ArrowRight", "ArrowDown", "Shift+ArrowLeft", "Shift+ArrowUp"):
        page.keyboard.press(key)
    expect(box).to_have_attribute(
        "aria-label", re.compile("left 27 %.*top 27 %.*48 % wide, 48 % high")
    )
    page.keyboard.press("Enter")
    expect(page.locator("#part")).to_be_visible()
    form = {"box": "0.27,0.27,0.48,0.48"}
    told = client.post("/api/search", files={"image": jpeg(5)}, data=form).json()["matches"][0]
    expect(page.locator(".card .distance").first).to_have_text(f"{told['distance']:.3f}")
    expect(page.locator(".box")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#part")).to_have_count(0)


def test_a_part_of_an_indexed_picture_has_an_address(open_page: Open, address: str) -> None:
    page = open_page("/?path=dataset/dogs/04.jpg")
    page.click("#mark")
    expect(page.locator(".box")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_selector("#part")
    assert "box=0.25" in page.url
    other = open_page(page.url.removeprefix(address))
    expect(other.locator("#part")).to_be_visible()
    expect(other.locator(".box")).to_be_visible()
    assert names(other) == names(page)


def test_what_goes_wrong_is_said_and_the_page_goes_on(open_page: Open) -> None:
    page = open_page()
    choose(page, b"no picture at all")
    expect(page.get_by_role("alert")).to_contain_text("no picture we can read")
    page.fill("#path", "dataset/none.jpg")
    page.press("#path", "Enter")
    expect(page.get_by_role("alert")).to_contain_text("not in the index")
    page.fill("#path", "../../etc/passwd")
    page.press("#path", "Enter")
    expect(page.get_by_role("alert")).to_contain_text("names no folder")
    choose(page, jpeg(1))
    expect(page.locator(".card")).to_have_count(24)
    page.route("**/*", lambda route: route.abort())
    page.locator(".card > a").first.click()
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")


def test_a_picture_that_browsers_cannot_show_is_shown_all_the_same(open_page: Open) -> None:
    buffer = io.BytesIO()
    draw(5).save(buffer, "TIFF")
    page = open_page()
    choose(page, buffer.getvalue())
    page.wait_for_selector(RESULTS)
    page.wait_for_function("document.getElementById('whole').naturalWidth > 0")
    assert page.get_attribute("#whole", "src").startswith("data:image/jpeg")  # type: ignore[union-attr]


def test_the_status_line_is_live(open_page: Open, gallery: Project) -> None:
    page = open_page()
    expect(page.locator("#status")).to_contain_text("31 indexed")
    extra = write(gallery.dataset / "new/99.jpg", 99)
    gallery.cli("sync")
    expect(page.locator("#status")).to_contain_text("32 indexed")
    extra.unlink()
    gallery.cli("sync")


def test_rejected_files_have_a_page(open_page: Open) -> None:
    page = open_page()
    page.get_by_role("link", name="1 rejected").click()
    row = page.get_by_role("row", name="dataset/cats/broken.png")
    expect(row).to_contain_text("no picture")


def test_without_javascript_a_search_works(open_page: Open, tmp_path: Path) -> None:
    page = open_page(java_script_enabled=False)
    page.set_input_files("#image", write(tmp_path / "q.jpg", 7))
    page.get_by_role("button", name="Search", exact=True).click()
    page.wait_for_selector(RESULTS)
    assert names(page)[0] == "dataset/dogs/07.jpg"
    page.locator(".card > a").nth(1).click()
    page.wait_for_selector("#share")
    page.fill("#under", "dataset/cats")
    page.press("#under", "Enter")
    page.wait_for_selector(RESULTS)
    assert {name.split("/")[1] for name in names(page)} == {"cats"}
    page.set_input_files("#image", [])
    page.fill("#path", "dataset/none.jpg")
    page.press("#path", "Enter")
    expect(page.get_by_role("alert")).to_contain_text("not in the index")


@pytest.mark.slow
def test_a_phone_shows_everything_without_scrolling_sideways(open_page: Open) -> None:
    page = open_page(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    expect(page.get_by_text("Take a photo")).to_be_visible()
    choose(page, jpeg(3))
    page.wait_for_selector(RESULTS)
    for path in (None, "/rejected", "/status", "/docs"):
        if path:
            page.goto(page.url.split("/", 3)[0] + "//" + page.url.split("/")[2] + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path


def violations(page: Page, scheme: str) -> list[str]:
    # In the dark only colours differ.
    only = {"runOnly": ["color-contrast", "link-in-text-block"]} if scheme == "dark" else {}
    found = Axe().run(page, options=only).response["violations"]
    return [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_any_state(open_page: Open, scheme: str) -> None:
    page = open_page(color_scheme=scheme, reduced_motion="reduce")
    assert violations(page, scheme) == [], "empty"
    choose(page, b"no picture")
    page.wait_for_selector(ERROR)
    assert violations(page, scheme) == [], "error"
    choose(page, jpeg(3))
    page.wait_for_selector(RESULTS)
    assert page.locator(".distant").count(), "also what is not similar"
    page.locator("summary").first.click()
    assert violations(page, scheme) == [], "results"
    page.click("#mark")
    expect(page.locator(".box")).to_be_focused()
    assert violations(page, scheme) == [], "drawing"
    page.keyboard.press("Enter")
    page.wait_for_selector("#part")
    assert violations(page, scheme) == [], "crop"
    for path in ("/rejected", "/status", "/docs"):
        page.goto("/".join(page.url.split("/")[:3]) + path)
        assert violations(page, scheme) == [], path


@pytest.mark.slow
def test_the_page_is_light(address: str, browser: Browser) -> None:
    """100 KB for everything but pictures, before any compression."""
    context = browser.new_context()
    page = context.new_page()
    weights: list[tuple[str, int]] = []

    def weigh(response: Any) -> None:
        if response.request.resource_type != "image" or response.url.endswith(".svg"):
            weights.append((response.url, len(response.body())))

    page.on("requestfinished", lambda request: weigh(request.response()))
    page.goto(address)
    page.wait_for_load_state("networkidle")
    choose(page, jpeg(3))
    page.wait_for_selector(RESULTS)
    page.wait_for_load_state("networkidle")
    context.close()
    assert len(weights) >= 4, "page, style, script and results"
    assert sum(size for _, size in weights) <= 100_000, weights
