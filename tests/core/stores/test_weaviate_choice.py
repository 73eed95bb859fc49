"""Which server of a cluster answers, by what the servers say of themselves."""

import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from core.stores.weaviate_client import WeaviateClient
from core.stores.weaviate_errors import UnreachableError
from core.stores.weaviate_servers import READ_SECONDS, WeaviateServers
from core.stores.weaviate_url import parse_weaviate_url
from tests.weaviate_pretender import Pretender

EQUAL = [("", 20, 0)]


@pytest.fixture
def cluster() -> Iterator[list[Pretender]]:
    """Three servers of which each is known to be whole."""
    made = [Pretender(name, list(EQUAL)) for name in ("a", "b", "c")]
    for each in made:
        each.cluster = made
        each.start()
    yield made
    for each in made:
        if each.alive:
            each.stop()


@pytest.fixture
def servers(cluster: list[Pretender]) -> Iterator[WeaviateServers]:
    hosts = ",".join(f"127.0.0.1:{each.port}" for each in cluster)
    grpc = ",".join(str(each.grpc_port) for each in cluster)
    with closing(
        WeaviateServers(parse_weaviate_url(f"weaviate://{hosts}/Test?grpc={grpc}"), None)
    ) as made:
        yield made


def who(client: WeaviateClient) -> str:
    return str(client.get_meta()["hostname"])


def test_the_first_of_several_that_are_whole(servers: WeaviateServers) -> None:
    assert servers.read(who) == "a"


def test_one_that_is_back_and_has_compared_nothing_yet_is_passed_over(
    cluster: list[Pretender], servers: WeaviateServers
) -> None:
    cluster[0].told = []
    assert servers.read(who) in {"b", "c"}


def test_the_whole_one_may_take_its_time_to_say_so(
    cluster: list[Pretender], servers: WeaviateServers
) -> None:
    cluster[0].told = []
    cluster[1].look_seconds = cluster[2].look_seconds = 1
    assert servers.read(who) in {"b", "c"}


@pytest.mark.parametrize(
    ("of_a", "of_b", "of_c"),
    [
        pytest.param([("c", 5, 0)], [], [], id="it alone has compared"),
        pytest.param([], [("a", 5, 0)], [("a", 5, 0)], id="the others have"),
        pytest.param([("b", 20, 0)], [("a", 5, 0)], [("a", 5, 0)], id="all have"),
        pytest.param([("b", 20, 0)], [("a", 5, 9)], [], id="one gives it rows"),
    ],
)
def test_where_nobody_is_known_to_be_whole_the_odd_one_is_passed_over(
    cluster: list[Pretender],
    servers: WeaviateServers,
    of_a: list[tuple[str, int, int]],
    of_b: list[tuple[str, int, int]],
    of_c: list[tuple[str, int, int]],
) -> None:
    """As when it was killed before the servers had ever compared a new index, and is back."""
    cluster[0].told, cluster[1].told, cluster[2].told = of_a, of_b, of_c
    assert servers.read(who) in {"b", "c"}


def test_one_that_is_starting_comes_after_those_of_which_nothing_is_known(
    cluster: list[Pretender], servers: WeaviateServers
) -> None:
    for each in cluster:
        each.told = []
    cluster[0].ready = False
    assert servers.read(who) in {"b", "c"}


def test_those_that_elect_a_leader_answer_when_the_first_is_killed(
    cluster: list[Pretender], servers: WeaviateServers
) -> None:
    """They say that they are not ready until they have one."""
    for each in cluster:
        each.told = []
    assert servers.read(who) == "a"
    cluster[0].stop()
    cluster[1].ready = cluster[2].ready = False
    assert servers.read(who) in {"b", "c"}


def test_the_last_that_is_there_answers(cluster: list[Pretender], servers: WeaviateServers) -> None:
    assert servers.read(who) == "a"
    cluster[0].stop()
    cluster[1].stop()
    assert servers.read(who) == "c"


def test_who_cannot_tell_of_its_copies_answers_all_the_same(
    cluster: list[Pretender], servers: WeaviateServers
) -> None:
    """A frozen server keeps the others from telling."""
    for each in cluster:
        each.look_seconds = 30
    begun = time.monotonic()
    assert servers.read(who) == "a"
    assert time.monotonic() - begun < READ_SECONDS


def test_all_gone_is_one_sentence_in_time(
    cluster: list[Pretender], servers: WeaviateServers
) -> None:
    for each in cluster:
        each.stop()
    begun = time.monotonic()
    with pytest.raises(UnreachableError, match=r"connection refused.* Nor do the other 2 of"):
        servers.read(who)
    assert time.monotonic() - begun < READ_SECONDS
