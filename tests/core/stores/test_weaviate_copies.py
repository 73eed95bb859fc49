"""What a server of a cluster tells about its copies, and what we make of it."""

from typing import Any

import pytest

from core.stores.weaviate_copies import Copies, Standing

NOW = 1_000_000
RECENT, LATER = NOW - 20_000, NOW - 10_000


def node(name: str, *told: tuple[str, int, int], replicas: int = 3) -> dict[str, Any]:
    """A server with one shard, and with whom it compared it, when, and rows that it gave."""
    status = [
        {"targetNode": target, "startDiffTimeUnixMillis": when, "objectsPropagated": rows}
        for target, when, rows in told
    ]
    shard = {"name": "s", "class": "LookalikeImages1", "numberOfReplicas": replicas}
    return {"name": name, "shards": [shard | {"asyncReplicationStatus": status}]}


EQUAL = ("", RECENT, 0)


@pytest.mark.parametrize(
    ("own", "other", "expected"),
    [
        pytest.param([EQUAL], [EQUAL], Standing.WHOLE, id="it differs from nobody"),
        pytest.param([], [EQUAL], Standing.UNKNOWN, id="it has just started"),
        pytest.param([("b", RECENT, 0)], [EQUAL], Standing.UNKNOWN, id="it only ever differed"),
        pytest.param([EQUAL], [("a", LATER, 3)], Standing.BEHIND, id="rows were given to it"),
        pytest.param([EQUAL], [("c", LATER, 3)], Standing.WHOLE, id="rows were given to another"),
        pytest.param(
            [("", LATER, 0)], [("a", RECENT, 3)], Standing.WHOLE, id="it has got what it lacked"
        ),
        pytest.param(
            [EQUAL],
            [("a", LATER, 3), ("", LATER + 1, 0)],
            Standing.WHOLE,
            id="the giver is content",
        ),
        pytest.param([EQUAL], [("a", LATER, 0)], Standing.WHOLE, id="a batch is under way"),
        pytest.param([("", NOW - 100_000, 0)], [EQUAL], Standing.UNKNOWN, id="it hears nobody"),
    ],
)
def test_what_is_known_of_a_copy(
    own: list[tuple[str, int, int]], other: list[tuple[str, int, int]], expected: Standing
) -> None:
    copies = Copies([node("a", *own), node("b", *other), node("c", EQUAL)], "LookalikeImages")
    assert copies.standing("a", NOW) is expected


def test_who_differs_from_all_others_was_away() -> None:
    """As one that was frozen: what it told before is not true any more."""
    others = [node(name, ("a", LATER, 0), EQUAL) for name in ("b", "c")]
    nodes = [node("a", EQUAL), *others]
    assert Copies(nodes, "LookalikeImages").standing("a", NOW) is Standing.UNKNOWN
    assert Copies(nodes, "LookalikeImages").standing("b", NOW) is Standing.WHOLE
    nodes = [node("a", ("", LATER + 1, 0)), *others]
    assert Copies(nodes, "LookalikeImages").standing("a", NOW) is Standing.WHOLE


def test_the_odd_one_is_at_an_end_of_most_differences() -> None:
    nodes = [node("a", ("b", RECENT, 0)), node("b", ("a", LATER, 0)), node("c", ("a", LATER, 7))]
    copies = Copies(nodes, "LookalikeImages")
    assert [-copies.rank(name, NOW).doubts for name in "abc"] == [3, 2, 1]
    assert copies.rank("unheard of", NOW).doubts == 0


def test_there_is_nothing_to_choose_where_all_are_whole() -> None:
    equal = [node("a", EQUAL), node("b", EQUAL)]
    assert Copies(equal, "LookalikeImages").all_whole(NOW)
    assert not Copies([*equal, node("c")], "LookalikeImages").all_whole(NOW)


def test_the_worst_shard_counts() -> None:
    nodes = [node("a", EQUAL), node("b", EQUAL)]
    nodes[0]["shards"].append(node("a")["shards"][0] | {"name": "t"})
    assert Copies(nodes, "LookalikeImages").standing("a", NOW) is Standing.UNKNOWN
    assert Copies(nodes, "LookalikeImages").standing("b", NOW) is Standing.WHOLE


def test_who_has_lost_most_of_the_others_is_not_trusted() -> None:
    assert Copies([node("a", EQUAL)], "LookalikeImages").standing("a", NOW) is Standing.UNKNOWN
    alone = Copies([node("a", replicas=1)], "LookalikeImages")
    assert alone.standing("a", NOW) is Standing.WHOLE


def test_a_server_that_starts_shows_no_shards() -> None:
    copies = Copies([{"name": "a", "shards": None}, node("b", EQUAL)], "LookalikeImages")
    assert copies.standing("a", NOW) is Standing.UNKNOWN
    assert copies.standing("unheard of", NOW) is Standing.UNKNOWN
    assert copies.collection == "LookalikeImages1"


def test_collections_of_others_do_not_count() -> None:
    copies = Copies([node("a"), node("b", EQUAL)], "OtherImages")
    assert copies.collection is None
    assert copies.all_whole(NOW)
