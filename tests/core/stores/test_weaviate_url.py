import pytest

from core.errors import ConfigError
from core.stores.weaviate_url import Address, WeaviateUrl, parse_weaviate_url
from core.stores.weaviate_versions import is_supported, parse_version

LOCAL = Address("localhost", 8080, 50051)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("weaviate://localhost", WeaviateUrl((LOCAL,))),
        ("weaviate://localhost:8080/", WeaviateUrl((LOCAL,))),
        ("weaviate://localhost:8080/Photos2", WeaviateUrl((LOCAL,), "Photos2")),
        ("weaviates://localhost", WeaviateUrl((LOCAL,), secure=True)),
        ("weaviate://h?grpc=1", WeaviateUrl((Address("h", 8080, 1),))),
        (
            "weaviate://a:1,b-2.example:2,10.0.0.3/N?grpc=7",
            WeaviateUrl(
                (Address("a", 1, 7), Address("b-2.example", 2, 7), Address("10.0.0.3", 8080, 7)),
                "N",
            ),
        ),
        (
            "weaviate://a:1,b:2?grpc=3,4",
            WeaviateUrl((Address("a", 1, 3), Address("b", 2, 4))),
        ),
        ("weaviate://[::1]:9", WeaviateUrl((Address("[::1]", 9, 50051),))),
        ("weaviate://localhost?oldest=1.35", WeaviateUrl((LOCAL,), oldest=(1, 35))),
        ("weaviate://localhost?oldest=1.35.2&grpc=50051", WeaviateUrl((LOCAL,), oldest=(1, 35, 2))),
    ],
)
def test_an_address_is_taken_apart(text: str, expected: WeaviateUrl) -> None:
    assert parse_weaviate_url(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("weaviate:localhost", "no Weaviate address"),
        ("weaviate://", "'' is no host"),
        ("weaviate://a,,b", "'' is no host"),
        ("weaviate://a:b", "'a:b' is no host"),
        ("weaviate://a b", "'a b' is no host"),
        ("weaviate://a:0", "'0' is no port"),
        ("weaviate://a:65536", "'65536' is no port"),
        ("weaviate://a?grpc=x", "'x' is no port"),
        ("weaviate://a?grpc=", "'' is no port"),
        ("weaviate://a?grpc=²", "is no port"),
        ("weaviate://a,b,c?grpc=1,2", "3 servers and 2 gRPC ports"),
        ("weaviate://a:7?grpc=7", "a:7 is named as HTTP and as gRPC port"),
        ("weaviate://a,b,a", "a:8080 is named twice"),
        ("weaviate://a/name", "'name' cannot begin.*capital letter"),
        ("weaviate://a/Na_me", "'Na_me' cannot begin"),
        ("weaviate://a/Näme", "'Näme' cannot begin"),
        ("weaviate://a/N/more", "no Weaviate address"),
        ("weaviate://a/N#x", "no Weaviate address"),
        ("weaviate://user:word@a", "WEAVIATE_API_KEY"),
        ("weaviate://a?key=1", "knows no 'key'"),
        ("weaviate://a?grpc=1&grpc=2", "stands twice"),
        ("weaviate://a?oldest=new", "'new' is no version"),
    ],
)
def test_an_address_that_cannot_be_is_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        parse_weaviate_url(text)
    assert "word" not in str(caught.value).replace("password", "")


def test_an_address_is_shown_without_its_options() -> None:
    text = "weaviates://a:1,[::1]:2/Photos?grpc=3&oldest=1.35"
    assert str(parse_weaviate_url(text)) == "weaviates://a:1,[::1]:2/Photos"


@pytest.mark.parametrize(
    ("version", "supported"),
    [("1.23.0", False), ("1.35.2", False), ("1.38.9", False), ("1.38.10", True),
     ("1.38.24", True), ("1.39.0", False), ("1.39.1", True), ("1.40.0", True),
     ("1.40.4-rc.1", True), ("2.0.0", True), ("nonsense", False)],
)  # fmt: skip
def test_versions_with_known_faults_are_refused(version: str, supported: bool) -> None:  # noqa: FBT001
    assert is_supported(parse_version(version), None) is supported


def test_an_operator_may_take_an_older_version_on() -> None:
    assert is_supported(parse_version("1.35.2"), (1, 35))
    assert not is_supported(parse_version("1.34.9"), (1, 35))
