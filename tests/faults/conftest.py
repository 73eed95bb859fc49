"""Fixtures of the fault suite: every test leaves its figures in one table."""

from collections.abc import Callable

import pytest

from tests.faults.table import FIGURES, text_of

Figure = Callable[..., None]


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Figure:
    """`figure("F6", "umount -l, 10,000 rows", deletions=0)`: a row of the table."""

    def note(fault: str, what: str, /, **figures: object) -> None:
        # With the test's report it also gets out of a worker of xdist.
        request.node.user_properties.append((FIGURES, (fault, what, text_of(figures))))

    return note
