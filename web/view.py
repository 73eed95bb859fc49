"""What the templates show of an answer: pure."""

import base64
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import quote, urlencode

from core.index import MOST_MATCHES, Answer
from core.records import ImageId, Match
from core.words import is_close, word
from web.terms import Terms

FIRST_MATCHES = 24
"""How many a page begins with; each "more" doubles it."""


@dataclass(frozen=True, slots=True)
class Card:
    """One picture found."""

    id: ImageId
    name: str
    """ROOT/path."""
    folder: str
    file: str
    distance: str
    word: str | None
    close: bool
    """False where it is no more than the least far of what there is."""
    copies: list[str]
    href: str
    thumbnail: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What was searched with."""

    terms: Terms
    id: ImageId | None = None
    """None for a picture that was sent."""
    name: str | None = None
    whole: str | None = None
    """Address of the whole picture; None where only the browser has it."""
    part: str | None = None
    """Address of what was searched, where it is a part or was sent."""
    file: str | None = None
    """Address of the file itself, where files are served."""


@dataclass(frozen=True, slots=True)
class Page:
    """An answer as the results show it."""

    asked: Asked
    cards: list[Card]
    model: str
    model_name: str
    milliseconds: dict[str, float]
    more: int | None
    """k of the next, longer answer; None where there is no more."""
    folders: list[str]
    """Suggestions for the folder filter."""

    @property
    def total_milliseconds(self) -> float:
        """From decoding to the last match."""
        return sum(self.milliseconds.values())

    def address(self, **changes: str | int | None) -> str:
        """Of the page that asks the same with other terms."""
        terms = self.asked.terms.model_dump() | changes
        return address(self.asked.id, terms)


def make_page(
    answer: Answer, asked: Asked, milliseconds: dict[str, float], roots: list[str]
) -> Page:
    """`roots` are offered as folders, and with them the folders of what was found."""
    k = asked.terms.k
    more = min(2 * k, MOST_MATCHES) if len(answer.matches) == k < MOST_MATCHES else None
    found = {str(match.place).rpartition("/")[0] for match in answer.matches}
    return Page(
        asked=asked,
        cards=[_card(match, answer.model, asked.terms) for match in answer.matches],
        model=answer.model,
        model_name=short_model(answer.model),
        milliseconds=milliseconds,
        more=more,
        folders=sorted(found | set(roots)),
    )


def address(image_id: ImageId | None, terms: dict[str, str | int | None]) -> str:
    """Of the page "similar to this indexed picture"; the terms that say nothing are left out."""
    said = {name: value for name, value in terms.items() if value is not None}
    if said.get("k") == FIRST_MATCHES:
        del said["k"]
    return "/?" + urlencode({"similar": image_id, **said} if image_id else said)


def thumbnail_address(image_id: str) -> str:
    """Of an indexed picture's thumbnail."""
    return f"/api/images/{quote(image_id)}/thumbnail"


def original_address(image_id: str) -> str:
    """Of an indexed picture's file."""
    return f"/api/images/{quote(image_id)}/original"


def data_address(jpeg: bytes) -> str:
    """Of a picture that has no address of its own."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def short_model(name: str | None) -> str:
    """An Embedder.name without its digest and preprocessing."""
    return (name or "no model yet").partition("/")[0]


def _card(match: Match, model: str, terms: Terms) -> Card:
    path = PurePosixPath(str(match.place))
    return Card(
        id=match.id,
        name=str(match.place),
        folder=str(path.parent),
        file=path.name,
        distance=f"{match.distance:.3f}",
        word=word(match.distance, model),
        close=is_close(match.distance, model),
        copies=[str(place) for place in match.copies],
        href=address(match.id, {"k": FIRST_MATCHES, "under": terms.under}),
        thumbnail=thumbnail_address(match.id),
    )
