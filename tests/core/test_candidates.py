import pytest

from core.candidates import Candidates
from core.errors import ConfigError


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
