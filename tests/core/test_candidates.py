from itertools import product

import pytest

from core.candidates import Candidates
from core.errors import ConfigError
from core.paths import path_text


def test_a_bad_pattern_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="ignore"):
        Candidates(["!"])


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (b"a.jpg", True),
        (b"a/b.JPEG", True),
        (b"a.txt", False),
        (b"jpg", False),
        (b".jpg", False),
        (b".a/b.jpg", False),
        (b"a/.b/c.jpg", False),
        (b"a/@eaDir/c.jpg", False),
        (b"build/c.jpg", False),
        (b"caf\xe9.jpg", True),
        (b"a\n.jpg", True),
    ],
)
def test_wanted(path: bytes, wanted: bool) -> None:  # noqa: FBT001 - a table
    assert Candidates(["build/"]).wanted(path) is wanted


def test_a_plain_name_needs_no_other_question() -> None:
    """Every name of three odd characters and a suffix, and every name that is never ours."""
    odd = b"a.~$ \\\n\xe9\x7f-"
    stems = [bytes(stem) for n in range(4) for stem in product(odd, repeat=n)]
    names = [
        stem + end for stem in stems for end in (b".jpg", b".JPEG", b".txt", b".jpg.part", b"")
    ]
    names += [b"Thumbs.db", b"@eaDir", b"lost+found", b"System Volume Information"]
    candidates = Candidates()
    plain = {name for name in names if candidates.plain(name)}
    assert {b"a.jpg", b"a-a.JPEG", b"a a.jpg"} <= plain
    assert all(candidates.wanted(name) and path_text(name) == name.decode() for name in plain)
    assert not Candidates(["a.jpg"]).plain(b"a.jpg"), "a pattern may say otherwise"
