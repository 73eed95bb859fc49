"""What a button stands for, written into its custom id: it survives a restart of the bot."""

import re
from dataclasses import dataclass
from typing import Self

from core.index import MOST_MATCHES
from core.records import ImageId

MOST_SHOWN = 10
"""Files in a message."""

_KEY = "[0-9a-f]{16}"
_ID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NUMBER = "[0-9]{1,3}"


@dataclass(frozen=True, slots=True)
class More:
    """The next matches of a picture that was posted, out of what is kept of its answer."""

    key: str
    """Of the answer kept, see bot.answers."""
    picture: int
    """Which of the message's, from 0."""
    offset: int
    count: int

    def __str__(self) -> str:
        return f"more:{self.key}:{self.picture}:{self.offset}:{self.count}"


@dataclass(frozen=True, slots=True)
class Like:
    """Search with an indexed picture, or show its next matches."""

    id: ImageId
    offset: int
    count: int

    def __str__(self) -> str:
        return f"like:{self.id}:{self.offset}:{self.count}"


@dataclass(frozen=True, slots=True)
class Choice:
    """A list to choose from; each of its values is an order of its own."""

    kind: str

    def __str__(self) -> str:
        return f"choose:{self.kind}"

    @classmethod
    def parse(cls, custom_id: str) -> Self | None:
        """None if it is none of ours."""
        kind = custom_id.removeprefix("choose:")
        return cls(kind) if kind != custom_id else None


def parse_order(text: str) -> More | Like | None:
    """What a custom id, or a value chosen, stands for; None if it is none of ours."""
    if more := re.fullmatch(f"more:({_KEY}):({_NUMBER}):({_NUMBER}):({_NUMBER})", text):
        order: More | Like = More(more[1], int(more[2]), int(more[3]), int(more[4]))
    elif like := re.fullmatch(f"like:({_ID}):({_NUMBER}):({_NUMBER})", text):
        order = Like(ImageId(like[1]), int(like[2]), int(like[3]))
    else:
        return None
    if not 1 <= order.count <= MOST_SHOWN or order.offset + order.count >= MOST_MATCHES:
        return None
    return order
