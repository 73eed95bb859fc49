import pytest

from core.records import FileStamp, IndexedStamp, Place
from core.state import Rejection
from daemon.plan import Plan, Scope, make_plan
from daemon.scanner import Listing

OLD, NEW = FileStamp(1, 1, 1, 1), FileStamp(2, 2, 2, 2)
A, B = Place("r", "a/1.jpg"), Place("r", "b.jpg")
ROOT = [Place("r", "")]


def row(stamp: FileStamp, *, racy: bool = False) -> IndexedStamp:
    return IndexedStamp(stamp, "d", racy)


@pytest.mark.parametrize(
    ("observed", "stamps", "rejections", "scope", "expected"),
    [
        pytest.param([(A, OLD)], {}, {}, ROOT, Plan(ingest=[(A, OLD)]), id="new"),
        pytest.param([(A, OLD)], {A: row(OLD)}, {}, ROOT, Plan(unchanged=1), id="unchanged"),
        pytest.param(
            [(A, NEW)], {A: row(OLD)}, {}, ROOT, Plan(ingest=[(A, NEW)], changed=1), id="changed"
        ),
        pytest.param(
            [(A, OLD)],
            {A: row(OLD, racy=True)},
            {},
            ROOT,
            Plan(ingest=[(A, OLD)], changed=1),
            id="read-too-early-to-be-sure",
        ),
        pytest.param([], {A: row(OLD)}, {}, ROOT, Plan(absent=[A]), id="gone"),
        pytest.param([], {A: row(OLD)}, {}, [B], Plan(), id="outside-the-scope-is-left-alone"),
        pytest.param(
            [], {A: row(OLD)}, {}, [Place("r", "a")], Plan(absent=[A]), id="gone-with-its-folder"
        ),
        pytest.param(
            [(A, OLD)], {}, {A: Rejection(OLD, "is bad", "v1")}, ROOT, Plan(), id="still-rejected"
        ),
        pytest.param(
            [(A, OLD)],
            {A: row(OLD)},
            {A: Rejection(OLD, "is bad", "v1")},
            ROOT,
            Plan(absent=[A]),
            id="turned-bad",
        ),
        pytest.param(
            [(A, NEW)],
            {},
            {A: Rejection(OLD, "is bad", "v1")},
            ROOT,
            Plan(ingest=[(A, NEW)]),
            id="rejected-and-then-changed",
        ),
        pytest.param(
            [(A, OLD)],
            {},
            {A: Rejection(OLD, "is bad", "v0")},
            ROOT,
            Plan(ingest=[(A, OLD)]),
            id="rejected-by-another-decoder",
        ),
    ],
)
def test_the_plan_is_a_table(observed, stamps, rejections, scope, expected) -> None:  # type: ignore[no-untyped-def]
    listings = [Listing(place.parent, [(place.path, stamp)]) for place, stamp in observed]
    assert make_plan(listings, stamps, rejections, scope, "v1") == expected


def test_a_scope_holds_whole_names_only() -> None:
    scope = Scope([Place("r", "pics")])
    assert Place("r", "pics/1.jpg") in scope
    assert Place("r", "pics-old/1.jpg") not in scope
    assert Place("s", "pics/1.jpg") not in scope
    assert Place("r", "any") in Scope([Place("r", "")])
