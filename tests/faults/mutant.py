"""One small edit that breaks a rule, and the test that must see it."""

from typing import NamedTuple


class Mutant(NamedTuple):
    """`old` becomes `new` in `file`, and `test` must fail."""

    rule: str
    file: str
    old: str
    new: str
    test: str
