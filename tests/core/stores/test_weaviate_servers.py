"""Which servers of a cluster are asked, and what happens when some do not answer."""

import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from core.errors import StoreError
from core.stores.weaviate_client import WeaviateClient
from core.stores.weaviate_errors import NoCollectionError, UnreachableError
from core.stores.weaviate_servers import READ_SECONDS, WeaviateServers
from core.stores.weaviate_url import parse_weaviate_url
from tests.weaviate_pretender import Pretender


@pytest.fixture
def cluster() -> Iterator[list[Pretender]]:
    made = [Pretender(name) for name in ("a", "b", "c")]
    yield made
    for each in made:
        each.kill()


@pytest.fixture
def servers(cluster: list[Pretender]) -> Iterator[WeaviateServers]:
    hosts = ",".join(f"127.0.0.1:{each.port}" for each in cluster)
    grpc = ",".join(str(each.grpc_port) for each in cluster)
    url = parse_weaviate_url(f"weaviate://{hosts}/Test?grpc={grpc}")
    with closing(WeaviateServers(url, None)) as made:
        yield made


def who(client: WeaviateClient) -> str:
    return str(client.get_meta()["hostname"])


def test_the_first_answers(servers: WeaviateServers) -> None:
    assert servers.read(who) == "a"


@pytest.mark.parametrize("wanted", [1, 2, 3, 4])
def test_several_are_different_ones(servers: WeaviateServers, wanted: int) -> None:
    assert sorted(servers.several(who, wanted)) == ["a", "b", "c"][:wanted]


def test_who_is_gone_is_asked_last_from_then_on(
    cluster: list[Pretender], servers: WeaviateServers
) -> None:
    cluster[0].kill()
    assert servers.read(who) == "b"
    assert sorted(servers.several(who, 2)) == ["b", "c"]
    assert sorted(servers.several(who, 3)) == ["b", "c"]


def test_who_is_frozen_costs_a_search_its_time_once(
    cluster: list[Pretender], servers: WeaviateServers
) -> None:
    assert sorted(servers.several(who, 3)) == ["a", "b", "c"]
    cluster[0].talks.clear()
    begun = time.monotonic()
    assert sorted(servers.several(who, 2)) == ["b", "c"]
    assert time.monotonic() - begun < READ_SECONDS
    cluster[1].asked = 0
    begun = time.monotonic()
    for _ in range(5):
        assert sorted(servers.several(who, 2)) == ["b", "c"]
    assert cluster[1].asked == 5
    assert time.monotonic() - begun < 1


def test_those_that_elect_a_leader_answer_when_the_first_is_killed(
    cluster: list[Pretender], servers: WeaviateServers
) -> None:
    """They say that they are not ready until they have one."""
    assert servers.read(who) == "a"
    cluster[0].kill()
    cluster[1].ready = cluster[2].ready = False
    assert sorted(servers.several(who, 2)) == ["b", "c"]


def test_who_is_not_ready_comes_after_those_that_are(
    cluster: list[Pretender], servers: WeaviateServers
) -> None:
    """It may know of no collection yet."""
    cluster[0].ready = False
    assert servers.read(who) == "b"
    assert sorted(servers.several(who, 2)) == ["b", "c"]
    assert cluster[0].asked == 0


def test_the_last_that_is_there_answers(cluster: list[Pretender], servers: WeaviateServers) -> None:
    assert servers.read(who) == "a"
    cluster[0].kill()
    cluster[1].kill()
    assert servers.several(who, 2) == ["c"]


def test_all_gone_is_one_sentence_in_time(
    cluster: list[Pretender], servers: WeaviateServers
) -> None:
    for each in cluster:
        each.kill()
    begun = time.monotonic()
    with pytest.raises(UnreachableError, match=r"connection refused.* Nor do the other 2 of"):
        servers.several(who, 2)
    assert time.monotonic() - begun < READ_SECONDS


def test_what_one_of_them_refuses_is_the_answer(servers: WeaviateServers) -> None:
    def refuse(client: WeaviateClient) -> str:
        if who(client) == "b":
            raise NoCollectionError("The collection is gone.")
        return "fine"

    with pytest.raises(NoCollectionError, match=r"is gone\."):
        servers.several(refuse, 2)


def test_what_one_cannot_do_another_may(servers: WeaviateServers) -> None:
    asked: list[str] = []

    def fail(client: WeaviateClient) -> str:
        asked.append(who(client))
        if asked[-1] == "a":
            raise StoreError("The server has too little memory.")
        return asked[-1]

    assert sorted(servers.several(fail, 2)) == ["b", "c"]
    assert servers.read(fail) != "a"
    assert asked.count("a") == 1
    with pytest.raises(StoreError, match="too little memory"):
        servers.read(lambda client: fail(client) and _refuse())


def _refuse() -> str:
    raise StoreError("The server has too little memory.")


def test_closed_is_a_sentence(servers: WeaviateServers) -> None:
    assert servers.read(who) == "a"
    servers.close()
    with pytest.raises(StoreError, match="was closed"):
        servers.read(who)
