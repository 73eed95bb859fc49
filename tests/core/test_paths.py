import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import UsageError
from core.paths import parse_under, path_bytes, path_text
from core.records import Place

TABLE = [
    pytest.param(b"cats/1.jpg", "cats/1.jpg", id="plain"),
    pytest.param("köln/日本.jpg".encode(), "köln/日本.jpg", id="utf-8"),
    pytest.param(b"caf\xe9.jpg", r"caf\xe9.jpg", id="latin-1"),
    pytest.param(b"a\nb.jpg", r"a\x0ab.jpg", id="newline"),
    pytest.param("a\u0085b".encode(), r"a\xc2\x85b", id="c1-control"),
    pytest.param(b"a\\xe9.jpg", r"a\x5cxe9.jpg", id="backslash"),
    pytest.param(b" a/b ", r"\x20a/b\x20", id="blanks-at-the-edges-of-each-name"),
    pytest.param(b"a b/c d.jpg", "a b/c d.jpg", id="blanks-inside"),
    pytest.param(b" ", r"\x20", id="one-blank"),
    pytest.param("\u3000a".encode(), r"\xe3\x80\x80a", id="wide-blank"),
    pytest.param(b"\xed\xa0\x80", r"\xed\xa0\x80", id="encoded-surrogate"),
]


@pytest.mark.parametrize(("raw", "text"), TABLE)
def test_a_name_has_one_spelling(raw: bytes, text: str) -> None:
    assert path_text(raw) == text
    assert path_bytes(text) == raw


@given(st.binary(max_size=40).filter(lambda raw: b"\0" not in raw))
def test_path_text_is_reversible_and_clean(raw: bytes) -> None:
    text = path_text(raw)
    assert path_bytes(text) == raw
    text.encode("utf-8")
    assert text.isprintable() or not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text)
    assert all(name == name.strip() for name in text.split("/"))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("dataset", Place("dataset", "")),
        ("dataset/", Place("dataset", "")),
        ("dataset/a b/c", Place("dataset", "a b/c")),
        ("dataset/a/", Place("dataset", "a")),
    ],
)
def test_under_names_a_place(text: str, place: Place) -> None:
    assert parse_under(text) == place


@pytest.mark.parametrize("text", ["", "/", "/a", "a//b", "a/..", "./a", "a/./b", "a//"])
def test_under_refuses_what_is_no_folder(text: str) -> None:
    with pytest.raises(UsageError):
        parse_under(text)


def test_covers_compares_whole_names() -> None:
    assert Place("r", "pics").covers(Place("r", "pics/1.jpg"))
    assert Place("r", "").covers(Place("r", "pics"))
    assert not Place("r", "pics").covers(Place("r", "pics-old/1.jpg"))
    assert not Place("r", "").covers(Place("s", "a"))
