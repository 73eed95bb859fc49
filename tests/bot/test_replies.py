"""The layout, as tables: what the fullest and the barest page come to, without a connection."""

import json
from dataclasses import replace
from typing import Any

import pytest

from bot.answers import Found
from bot.pages import Like, More
from bot.replies import Page, Reply, Shown
from core.index import Timings
from core.records import Place
from tests.fake_discord.judge import SPECIFICATION, Judge, walk

MODEL = "dinov2_vits14/0123"
KEY = "0123456789abcdef"


def shown(number: int, name: str = "cat.jpg", distance: float = 0.1) -> Shown:
    place = Place("dataset", f"{number}/{name}")
    return Shown(place.id, place, distance, thumbnail=b"\xff\xd8")


def page(count: int = 5, **more: Any) -> Page:
    matches = tuple(shown(n) for n in range(count))
    return replace(Page("query.jpg", MODEL, Timings(1, 31, 2), matches, count), **more)


def body(page: Page) -> dict[str, Any]:
    """As the client would send it."""
    reply = Reply(page=page)
    names = [file.filename for file in reply.files()]
    return {
        "components": reply.view().to_components(),
        "flags": 1 << 15,
        "attachments": [{"id": n, "filename": name} for n, name in enumerate(names)],
    }


def faults(judge: Judge, body: dict[str, Any]) -> list[str]:
    files = {one["filename"]: b"" for one in body["attachments"]}
    return judge.faults("POST", "/channels/1/messages", body, files)


HARD = "*" * 300 + ".jpg"
FULLEST = page(
    10,
    name=HARD,
    shown=tuple(
        replace(shown(n), place=Place("dataset", f"{'_' * 200}{n}/{HARD}"), copies=1000)
        for n in range(10)
    ),
    more=More(KEY, 0, 10, 10),
    indexed=1_234_567,
    freshness="index being built, 33 % of 1,234,567 files",
    preview_of="x" * 64,
    key=KEY,
    posted=tuple(
        Found(HARD, *((None, MODEL, Timings(1, 1, 1), (("a", 1.2345),)) if n < 8 else ("(" * 300,)))
        for n in range(10)
    ),
)


@pytest.mark.parametrize(
    ("page", "components"),
    [
        (page(1), 8),
        (page(5, more=More(KEY, 0, 5, 5)), 26),
        (page(10, more=More(KEY, 0, 10, 10)), 37),
        (page(0), 3),
        (FULLEST, 39),
    ],
    ids=["one", "five", "ten", "none", "fullest"],
)
def test_every_page_is_one_that_discord_takes(judge: Judge, page: Page, components: int) -> None:
    made = body(page)
    assert faults(judge, made) == []
    assert len(list(walk(made["components"]))) == components


def test_without_thumbnails_nothing_refers_to_them(judge: Judge) -> None:
    reply = Reply(page=page()).without_thumbnails()
    assert reply.page is not None
    made = body(reply.page)
    assert made["attachments"] == []
    assert faults(judge, made) == []


def texts(page: Page) -> list[str]:
    return [one["content"] for one in walk(body(page)["components"]) if one["type"] == 10]


@pytest.mark.parametrize(
    ("page", "header"),
    [
        (page(), "**Closest to** query.jpg"),
        (page(offset=5), "**Matches 6 to 10 for** query.jpg"),
        (page(0, offset=5), "**No more matches for** query.jpg"),
        (
            page(shown=(shown(1, distance=0.51),)),
            "**Nothing close to** query.jpg; the least far there is:",
        ),
        (page(model="resnet50/1", shown=(shown(1, distance=1.9),)), "**Closest to** query.jpg"),
    ],
    ids=["first", "next", "last", "far", "a model whose distances nobody measured"],
)
def test_headers(page: Page, header: str) -> None:
    assert texts(page)[0] == header


@pytest.mark.parametrize(
    ("one", "model", "text"),
    [
        (shown(1), MODEL, "**1.** cat.jpg\n-# 0.1000, very similar · dataset/1"),
        (
            replace(shown(1, distance=0), copies=1),
            MODEL,
            "**1.** cat.jpg\n-# 0.0000, identical · dataset/1 · 1 copy",
        ),
        (
            replace(shown(1, distance=0.60004), copies=2),
            "resnet50/1",
            "**1.** cat.jpg\n-# 0.6000 · dataset/1 · 2 copies",
        ),
        (
            Shown(Place("dataset", "a.jpg").id, Place("dataset", "a.jpg"), 0.2),
            MODEL,
            "**1.** a.jpg\n-# 0.2000, similar · dataset",
        ),
    ],
)
def test_a_match_in_words(one: Shown, model: str, text: str) -> None:
    assert texts(page(shown=(one,), model=model))[1] == text


def test_the_line_of_cost_and_freshness() -> None:
    told = page(indexed=12_345, freshness="up to date", preview_of="dinov2_vitb14")
    assert texts(told)[-1].splitlines() == [
        "-# Preview: compared by colour and layout only, not by dinov2\\_vitb14.",
        "-# dinov2\\_vits14 · 12,345 pictures · up to date · decode 1 ms, embed 31 ms, search 2 ms",
        "-# 🔍 searches with that match",
    ]


def test_alt_texts_say_what_is_seen() -> None:
    alts = [one["description"] for one in walk(body(page(2))["components"]) if one["type"] == 11]
    assert alts[1] == "2. cat.jpg, distance 0.1000, very similar"


def test_buttons_are_told_apart_by_what_they_do() -> None:
    buttons = [one for one in walk(body(page(2))["components"]) if one["type"] == 2]
    assert [one["custom_id"] for one in buttons] == [str(Like(shown(n).id, 0, 2)) for n in (0, 1)]
    assert [one["label"] for one in buttons] == ["1", "2"]


def test_the_same_page_is_the_same_payload() -> None:
    assert json.dumps(body(FULLEST)) == json.dumps(body(FULLEST))


BASE = body(page(1))


def changed(edit: Any) -> dict[str, Any]:
    copy = json.loads(json.dumps(BASE))
    edit(copy)
    return dict(copy)


def text(content: str) -> dict[str, Any]:
    return {"type": 10, "content": content}


BAD = {
    "an empty alt text": lambda b: next(
        one for one in walk(b["components"]) if one["type"] == 11
    ).update(description=""),
    "a long label": lambda b: next(one for one in walk(b["components"]) if one["type"] == 2).update(
        label="x" * 81
    ),
    "a long custom id": lambda b: next(
        one for one in walk(b["components"]) if one["type"] == 2
    ).update(custom_id="x" * 101),
    "an empty text": lambda b: b["components"].append(text("")),
    "eleven files": lambda b: b["attachments"].extend(
        {"id": n, "filename": f"{n}.jpg"} for n in range(1, 11)
    ),
}
BAD_BESIDE_THE_DOCUMENT = {
    "too many components": lambda b: b["components"][0]["components"].extend([text("x")] * 33),
    "too much text": lambda b: b["components"].append(text("x" * 3999)),
    "a file that is not there": lambda b: b["attachments"].clear(),
    "content beside it": lambda b: b.update(content="x"),
    "a button twice": lambda b: b["components"].append(b["components"][1]),
    "no flag": lambda b: b.pop("flags"),
}


@pytest.mark.parametrize("fault", BAD)
@pytest.mark.skipif(not SPECIFICATION.exists(), reason="needs Discord's OpenAPI document")
def test_the_judge_finds(judge: Judge, fault: str) -> None:
    assert faults(judge, BASE) == []
    assert faults(judge, changed(BAD[fault])) != []


@pytest.mark.parametrize("fault", BAD_BESIDE_THE_DOCUMENT)
def test_the_judge_knows_what_the_document_does_not(fault: str) -> None:
    alone = Judge(SPECIFICATION.with_name("none"))
    assert faults(alone, BASE) == []
    assert faults(alone, changed(BAD_BESIDE_THE_DOCUMENT[fault])) != []
