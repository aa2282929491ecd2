"""Parameters that mean the same in every estimator are refused alike by all of them."""

import inspect

import numpy as np
import pytest

from tests.properties.estimators import CASES

PAIR = np.array([1.0, 2.0])
WRONG = {
    "tol": (-1.0, np.nan, "1e-3", PAIR),
    "max_iter": (0, 2.5, 10**400, PAIR),
    "time_limit": (0, np.inf, "1", PAIR),
    "random_state": (-1, 0.5, "zero", PAIR),
    "n_jobs": (0, 1.5, "all", PAIR),
    "verbose": (-1, "loud", PAIR),
}
FLAGS = (0, "no", None, PAIR)


def wrong_values(estimator):
    """Yield names of parameters, each with values that it must not have."""
    for name, parameter in inspect.signature(type(estimator)).parameters.items():
        if name in WRONG:
            yield name, WRONG[name]
        elif isinstance(parameter.default, bool) and name not in getattr(
            estimator, "_not_flags", ()
        ):
            yield name, FLAGS


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_shared_parameters_are_refused_by_name(case):
    data = case.data()
    for name, values in wrong_values(case.estimator):
        for value in values:
            model = case.fresh(**{name: value})
            before = dict(vars(model))
            with pytest.raises((ValueError, TypeError), match=f"^The '{name}'|{name} "):
                data.fit(model)
            assert vars(model).keys() == before.keys()
