"""F36: every safety rule, broken on purpose, makes a test fail."""

import pytest

from tests.faults.conftest import Figure
from tests.faults.mutants import MUTANTS, Mutant, main
from tests.project import TOP


@pytest.mark.faults
@pytest.mark.timeout(1800)
def test_every_rule_has_a_test_that_fails_without_it(figure: Figure) -> None:
    alive = main([])
    killed = 100 * (1 - alive / len(MUTANTS))
    figure("F36", "safety rules broken on purpose", mutants=len(MUTANTS), killed_percent=killed)
    assert alive == 0


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.rule)
def test_the_code_still_has_what_the_mutant_breaks(mutant: Mutant) -> None:
    assert (TOP / mutant.file).read_text().count(mutant.old) == 1
