"""The list of mutants stays true: each fault still has its place in the code. `make mutants` tries them."""

import pytest
from tools.mutants import ROOT, Mutant, mutants


@pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: mutant.name)
def test_a_mutant_has_its_place(mutant: Mutant):
    changed = mutant.applied(ROOT)
    compile(changed, mutant.file, "exec")


def test_there_are_enough():
    assert len({mutant.name for mutant in mutants()}) >= 24
