"""Odd values of parameters end in a fit or in an error that names the parameter."""

import numpy as np
import pytest

from tests.properties.constructor_fuzz import VALUES, asked, verdict
from tests.properties.estimators import CASES

# A few of the values for each parameter, by its place: all of them are the script's.
EACH = 2


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.filterwarnings("ignore")
def test_odd_parameters(case):
    rng = np.random.default_rng(len(case.name))
    found = {}
    for name in case.parameters:
        for place in rng.permutation(len(VALUES))[:EACH]:
            if not asked(name, VALUES[place]):
                continue
            problem = verdict(case, name, VALUES[place])
            if problem is not None:
                found[name, repr(VALUES[place])] = problem
    assert not found


@pytest.mark.thorough
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.filterwarnings("ignore")
def test_every_odd_parameter(case):
    names = [(name, k) for name in case.parameters for k in range(len(VALUES))]
    found = {
        (name, repr(VALUES[k])): problem
        for name, k in names
        if asked(name, VALUES[k])
        and (problem := verdict(case, name, VALUES[k])) is not None
    }
    assert not found
