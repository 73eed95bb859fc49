"""What an embedder's name says."""

import pytest

from core.embedders import EmbedderName, parse_name
from core.preprocess import Preprocessing


def test_a_name_has_a_model_a_digest_and_a_preprocessing() -> None:
    parsed = parse_name("dinov2_vits14/9f3a1c2b4d5e/stretch-224")
    assert parsed == EmbedderName("dinov2_vits14", "9f3a1c2b4d5e", Preprocessing("stretch", 224))
    assert str(parsed) == "dinov2_vits14/9f3a1c2b4d5e/stretch-224"


@pytest.mark.parametrize("text", ["", "a", "a/b", "a/b/c", "a//stretch-224", "a/b/stretch-224/d"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"names no embedder|unknown|invalid"):
        parse_name(text)
