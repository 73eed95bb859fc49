"""An answer as Discord lays it out (Components V2). Pure: the same page, the same payload.

Discord allows 40 components and 4,000 characters a message; `tests/bot/test_replies.py` holds the
fullest page below both.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import discord
from discord import ui

from bot.answers import Found
from bot.pages import Choice, Like, More
from bot.text import escape, shorten
from core.index import Timings
from core.records import ImageId, Place
from core.words import is_close, word

_CLOSE = discord.Colour(0x3BA55D)
_FAR = discord.Colour(0x80848E)
_NAME = 48
_FOLDER = 40
_LIST_NAME = 32
_LABEL = 90
_MOST_BUTTONS = 5
"""In a row. Two rows of them beside ten matches would be more than 40 components."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One match on a page."""

    id: ImageId
    place: Place
    distance: float
    copies: int = 0
    """Files of the same bytes beside this one."""
    thumbnail: bytes | None = None
    """JPEG."""


@dataclass(frozen=True, slots=True)
class Page:
    """One message's worth of an answer."""

    name: str
    """Of what was searched with."""
    model: str
    timings_ms: Timings
    shown: tuple[Shown, ...]
    count: int
    """Matches a page."""
    offset: int = 0
    more: More | Like | None = None
    indexed: int | None = None
    freshness: str | None = None
    preview_of: str | None = None
    """The configured model, where this answer comes from the preview."""
    key: str | None = None
    """Of the answer kept."""
    posted: tuple[Found, ...] = ()
    """All pictures of the message."""
    picture: int = 0
    """Which of them this page is about."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A sentence, or a page."""

    text: str | None = None
    page: Page | None = None
    failed: bool = False
    """The sentence is an apology: whoever runs the bot should look into its log."""

    def view(self) -> ui.LayoutView:
        """Of the page. In a running loop it comes stopped: the client must not keep it, since
        its buttons are recognised by their ids."""
        assert self.page is not None
        view = ui.LayoutView(timeout=None)
        for item in _layout(self.page):
            view.add_item(item)
        view.stop()
        return view

    def files(self) -> list[discord.File]:
        """The page's thumbnails, fresh for each try to send them."""
        return [
            discord.File(io.BytesIO(shown.thumbnail), _file_name(number))
            for number, shown in enumerate(self.page.shown if self.page else ())
            if shown.thumbnail
        ]

    def without_thumbnails(self) -> Self:
        """The same with less to upload."""
        if self.page is None:
            return self
        bare = tuple(replace(shown, thumbnail=None) for shown in self.page.shown)
        return replace(self, page=replace(self.page, shown=bare))


def _layout(page: Page) -> list[ui.Item[ui.LayoutView]]:
    close = bool(page.shown) and is_close(page.shown[0].distance, page.model)
    frame: ui.Container[ui.LayoutView] = ui.Container(accent_colour=_CLOSE if close else _FAR)
    frame.add_item(ui.TextDisplay(_header(page, close=close)))
    for number, shown in enumerate(page.shown):
        frame.add_item(_match(page, number, shown))
    frame.add_item(ui.TextDisplay(_footer(page)))
    rows = [_search_with(page), _choose_picture(page), _more(page)]
    return [frame, *(row for row in rows if row is not None)]


def _header(page: Page, *, close: bool) -> str:
    name = escape(shorten(page.name, _NAME))
    last = page.offset + len(page.shown)
    if not page.shown:
        first = f"**No more matches for** {name}"
    elif page.offset:
        first = f"**Matches {page.offset + 1} to {last} for** {name}"
    elif close:
        first = f"**Closest to** {name}"
    else:
        first = f"**Nothing close to** {name}; the least far there is:"
    if len(page.posted) < 2:
        return first
    return "\n".join([*(_posted(n, found) for n, found in enumerate(page.posted)), first])


def _posted(number: int, found: Found) -> str:
    name = escape(shorten(found.name, _LIST_NAME))
    return f"-# Picture {number + 1}, {name}: {_outcome(found)}"


def _outcome(found: Found) -> str:
    if found.problem:
        return escape(shorten(found.problem, _LABEL))
    if not found.matches:
        return "no matches"
    distance = found.matches[0][1]
    return f"closest {_distance(distance, found.model)}"


def _match(page: Page, number: int, shown: Shown) -> ui.Item[ui.LayoutView]:
    folder, _, name = str(shown.place).rpartition("/")
    facts = [_distance(shown.distance, page.model), escape(shorten(folder, _FOLDER))]
    if shown.copies:
        facts.append("1 copy" if shown.copies == 1 else f"{shown.copies} copies")
    rank = page.offset + number + 1
    text = f"**{rank}.** {escape(shorten(name, _NAME))}\n-# {' · '.join(facts)}"
    if shown.thumbnail is None:
        return ui.TextDisplay(text)
    alt = f"{rank}. {shorten(name, _NAME)}, distance {_distance(shown.distance, page.model)}"
    picture: ui.Thumbnail[ui.LayoutView] = ui.Thumbnail(
        f"attachment://{_file_name(number)}", description=alt
    )
    return ui.Section(text, accessory=picture)


def _distance(distance: float, model: str) -> str:
    meaning = word(distance, model)
    return f"{distance:.4f}, {meaning}" if meaning else f"{distance:.4f}"


def _footer(page: Page) -> str:
    took = page.timings_ms
    parts = [page.model.partition("/")[0]]
    if page.indexed is not None:
        parts.append(f"{page.indexed:,} picture{'' if page.indexed == 1 else 's'}")
    if page.freshness:
        parts.append(page.freshness)
    parts.append(
        f"decode {took.decode:.0f} ms, embed {took.embed:.0f} ms, search {took.search:.0f} ms"
    )
    lines = [f"-# {' · '.join(map(escape, parts))}"]
    if page.preview_of:
        preview = f"Preview: compared by colour and layout only, not by {page.preview_of}."
        lines.insert(0, f"-# {escape(preview)}")
    if 0 < len(page.shown) <= _MOST_BUTTONS:
        lines.append("-# 🔍 searches with that match")
    return "\n".join(lines)


def _search_with(page: Page) -> ui.ActionRow[ui.LayoutView] | None:
    if not page.shown:
        return None
    if len(page.shown) <= _MOST_BUTTONS:
        return ui.ActionRow(
            *(
                ui.Button(
                    label=str(page.offset + number + 1),
                    emoji="🔍",
                    custom_id=str(Like(shown.id, 0, page.count)),
                )
                for number, shown in enumerate(page.shown)
            )
        )
    options = [
        discord.SelectOption(
            label=shorten(f"{page.offset + number + 1}. {shown.place.path}", _LABEL),
            description=_distance(shown.distance, page.model),
            value=str(Like(shown.id, 0, page.count)),
        )
        for number, shown in enumerate(page.shown)
    ]
    return _select("like", "🔍 Search with this one…", options)


def _choose_picture(page: Page) -> ui.ActionRow[ui.LayoutView] | None:
    answered = [(n, found) for n, found in enumerate(page.posted) if not found.problem]
    if page.key is None or len(answered) < 2:
        return None
    options = [
        discord.SelectOption(
            label=shorten(f"Picture {number + 1}: {found.name}", _LABEL),
            description=_outcome(found),
            value=str(More(page.key, number, 0, page.count)),
            default=number == page.picture,
        )
        for number, found in answered
    ]
    return _select("picture", "Show another picture's matches…", options)


def _select(
    kind: str, placeholder: str, options: Sequence[discord.SelectOption]
) -> ui.ActionRow[ui.LayoutView]:
    select: ui.Select[ui.LayoutView] = ui.Select(
        custom_id=str(Choice(kind)), placeholder=placeholder, options=list(options)
    )
    return ui.ActionRow(select)


def _more(page: Page) -> ui.ActionRow[ui.LayoutView] | None:
    if page.more is None:
        return None
    return ui.ActionRow(ui.Button(label="More", custom_id=str(page.more)))


def _file_name(number: int) -> str:
    return f"match-{number + 1}.jpg"
