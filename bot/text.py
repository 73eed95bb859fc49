"""A file's name as Discord shows it: letter by letter, without markup, mentions or tricks."""

import re
import unicodedata

# What means something in the middle of a line; ours never begin with a name.
_MARKUP = re.compile(r"[\\`*_~|<>\[\]()]")
_INVISIBLE = {"Cc", "Cf", "Zl", "Zp", "Cs"}
"""Controls, joiners and marks that turn the direction of what follows; line breaks."""
_TAIL = 11


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters, its end (the suffix) kept; nothing invisible."""
    seen = "".join(" " if unicodedata.category(c) in _INVISIBLE else c for c in text)
    return seen if len(seen) <= limit else f"{seen[: limit - _TAIL - 1]}…{seen[-_TAIL:]}"


def escape(text: str) -> str:
    """The same characters, to be taken literally. Grows by a character for each one of markup.

    `@everyone` pings whoever allows it, markup or not: after an @ comes a blank without width.
    """
    return _MARKUP.sub(r"\\\g<0>", text).replace("@", "@\u200b")
