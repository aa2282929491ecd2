"""The table of the estimators that the properties run over."""

import pytest

from skopt2.transport import MirrorSinkhorn
from tests.properties.estimators import CASES
from tests.test_common import CONFIGURATIONS


def test_no_public_estimator_is_missing():
    # MirrorSinkhorn is fitted to no data, so scikit-learn's checks cannot take it.
    known = {type(estimator) for estimator in CONFIGURATIONS} | {MirrorSinkhorn}
    assert {type(case.estimator) for case in CASES} == known
    assert len(CASES) == len(known)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_data_suit_the_estimator(case):
    fitted = case.data().fit(case.fresh())
    assert any(name.endswith("_") for name in vars(fitted))
