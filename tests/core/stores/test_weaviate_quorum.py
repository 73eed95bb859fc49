"""Rows as a quorum of servers has them: what was confirmed is found, what was deleted is not."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.stores.weaviate_query import Found, query
from core.stores.weaviate_quorum import majority
from tests.core.stores.replicas import Replicas


class Rows(Replicas):
    """The copies are numbers of rows -> versions."""

    def all(self, **options: Any) -> Found:
        """Every row."""
        return query(self, found, properties=[], again=by_ids, **options)

    def even(self) -> Found:
        """Rows of which the version is even."""
        return query(self, even, properties=[], where=cast(Any, even), again=by_ids)


def result(rows: dict[int, int], matches: Callable[[int, int], bool]) -> Any:
    objects = [
        SimpleNamespace(uuid=UUID(int=row), metadata=SimpleNamespace(last_update_time=version))
        for row, version in rows.items()
        if matches(row, version)
    ]
    shards = [SimpleNamespace(name="s", node=str(id(rows)))]
    return SimpleNamespace(objects=objects, query_profile=SimpleNamespace(shards=shards))


def found(rows: dict[int, int], **_: object) -> Any:
    return result(rows, lambda *_: True)


def even(rows: dict[int, int], **_: object) -> Any:
    return result(rows, lambda _, version: version % 2 == 0)


def by_ids(ids: Any, where: Any) -> Callable[..., Any]:
    def find(rows: dict[int, int], **_: object) -> Any:
        matching = {each.uuid for each in (where or found)(rows).objects}
        return result(rows, lambda row, _: UUID(int=row) in matching & set(ids))

    return find


def versions(given: Found) -> dict[int, int]:
    assert len({row.uuid for row in given.rows}) == len(given.rows)
    return {row.uuid.int: row.metadata.last_update_time for row in given.rows}


def test_servers_that_agree_are_asked_once() -> None:
    collection = Rows(held=[{1: 1, 2: 1}, {2: 1, 1: 1}, {}])
    assert versions(collection.all()) == {1: 1, 2: 1}
    assert collection.asked == 1


@pytest.mark.parametrize("behind", range(3))
def test_one_that_was_away_hides_no_row_and_brings_none_back(behind: int) -> None:
    held = [{1: 1, 2: 5, 3: 1} for _ in range(3)]
    held[behind] = {2: 1, 3: 1, 4: 1}  # it missed row 1, a new version of 2, and the end of 4
    assert versions(Rows(held=held).all()) == {1: 1, 2: 5, 3: 1}


@pytest.mark.parametrize("away", [set[int](), {2}])
@pytest.mark.parametrize("behind", range(2))
def test_a_row_is_found_only_if_its_latest_version_matches(behind: int, away: set[int]) -> None:
    held = [{1: 3, 2: 4, 3: 6} for _ in range(3)]
    held[behind] = {1: 2, 2: 1, 3: 2}
    assert versions(Rows(held=held, away=away).even()) == {2: 4, 3: 6}


def test_where_a_majority_cannot_be_seen_a_row_is_given_rather_than_missed() -> None:
    collection = Rows(held=[{1: 1}, {}, {1: 1}], away={2})
    assert versions(collection.all()) == {1: 1}
    collection.away = {1, 2}
    assert versions(collection.all()) == {1: 1}


def test_a_row_that_one_alone_got_is_none() -> None:
    assert versions(Rows(held=[{1: 1}, {}, {}]).all()) == {}


def test_lists_that_are_cut_are_not_compared() -> None:
    collection = Rows(held=[{1: 1}, {2: 1, 3: 1}, {}])
    given = collection.all(full=2)
    assert (given.rows, [len(rows) for rows in given.lists]) == ([], [1, 2])
    assert collection.asked == 1


def test_only_what_matters_is_looked_at_again() -> None:
    """Of the two lowest numbers the first is deleted: then the third matters, too."""
    collection = Rows(held=[{1: 1, 2: 1, 3: 1, 4: 1}, {2: 1}, {2: 1, 3: 1}])

    def lowest(rows: Any) -> list[UUID]:
        return sorted(row.uuid for row in rows)[:2]

    assert versions(collection.all(matter=lowest)) == {2: 1, 3: 1, 4: 1}
    assert collection.asked == 5


def test_what_cannot_be_settled_in_time_is_given_rather_than_missed() -> None:
    collection = Rows(held=[{1: 1}, {}, {}], takes_seconds=0.2)
    assert versions(collection.all(seconds=0.6)) == {1: 1}
    assert collection.asked == 1
    assert versions(collection.all(seconds=60)) == {}


def test_a_server_that_hands_the_query_on_is_no_second_one() -> None:
    same = {1: 1}
    collection = Rows(held=[same, same, {1: 1, 2: 1}])
    assert versions(collection.all()) == {1: 1, 2: 1}
    collection.held = [same, same, same]
    assert versions(collection.all(seconds=0.6)) == {1: 1}
    assert collection.asked > 5


def test_one_server_is_taken_at_its_word() -> None:
    assert versions(Rows(copies=1, held=[{1: 1}]).all()) == {1: 1}
    assert Rows(away={0, 1, 2}).all() == ([], [])


write = st.tuples(
    st.integers(0, 5), st.booleans(), st.sets(st.integers(0, 4), min_size=1, max_size=5)
)


@given(st.sampled_from([2, 3, 4, 5]), st.lists(write, max_size=30), st.data())
def test_whatever_is_written_and_deleted_and_whoever_misses_it(
    copies: int, writes: list[tuple[int, bool, set[int]]], data: st.DataObject
) -> None:
    """A write is confirmed if a majority took part in it, and may have happened if not."""
    collection = Rows(copies)
    confirmed: dict[int, int | None] = {}
    possible: dict[int, set[int | None]] = {}
    for version, (row, keeps, reached) in enumerate(writes, 1):
        servers = {server for server in reached if server < copies}
        for server in servers:
            if keeps:
                collection.held[server][row] = version
            else:
                collection.held[server].pop(row, None)
        outcome = version if keeps else None
        if len(servers) >= majority(copies):
            confirmed[row], possible[row] = outcome, {outcome}
        else:
            possible.setdefault(row, {None}).add(outcome)
    away = copies - majority(copies)
    collection.away = data.draw(st.sets(st.integers(0, copies - 1), max_size=away))
    shown = versions(collection.all())
    matching = versions(collection.even())
    for row, version in confirmed.items():
        if possible[row] == {version} and version is not None:
            assert shown.get(row) == version
            assert (row in matching) == (version % 2 == 0)
        elif possible[row] == {version} and not collection.away:
            assert row not in shown
    if not collection.away:
        for given in (shown, matching):
            assert all(version in possible[row] for row, version in given.items())
