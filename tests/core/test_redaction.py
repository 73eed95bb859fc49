"""What strangers may read."""

from pathlib import Path

import pytest

from core.config import Config
from core.redaction import redact, store_kind

LANCE = Config(
    roots={"pics": Path("/srv/my pictures"), "deep": Path("/srv/my pictures too/deep")},
    store="lancedb:/var/lib/index",
    state=Path("/var/lib/state"),
)
WEAVIATE = LANCE.model_copy(update={"store": "weaviate://db.internal:8080/Mine?grpc=50052"})


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "The folder of root 'pics', /srv/my pictures, cannot be read (No such file).",
            "The folder of root 'pics', pics, cannot be read (No such file).",
        ),
        ("/srv/my pictures too/deep/a.jpg is gone.", "deep/a.jpg is gone."),
        ("The index in /var/lib/index cannot be read.", "The index in the store's folder cannot"),
        ("Object at /var/lib/index/x.lance not found", "Object at the store's folder/x.lance not"),
        ("No weights in /home/me/w/dinov2.pth.", "No weights in dinov2.pth."),
        ("open '/etc/secret'", "open 'secret'"),
        ("dataset/cats/1.jpg has 201 MB, and/or 3/4", "dataset/cats/1.jpg has 201 MB, and/or 3/4"),
    ],
)
def test_folders_have_names_and_no_paths(said: str, told: str) -> None:
    assert redact(said, LANCE).startswith(told)


@pytest.mark.parametrize(
    "said",
    [
        "The Weaviate server db.internal:8080 does not answer.",
        "gRPC at db.internal:50052 failed: name db.internal unknown",
        "The index in weaviate://db.internal:8080/Mine has format 9.",
    ],
)
def test_a_server_has_no_address(said: str) -> None:
    told = redact(said, WEAVIATE)
    assert "internal" not in told
    assert "8080" not in told
    assert "50052" not in told


def test_the_kind_of_a_store_is_no_secret() -> None:
    assert (store_kind(LANCE), store_kind(WEAVIATE)) == ("lancedb", "weaviate")
