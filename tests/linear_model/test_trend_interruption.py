"""Trend filtering: callbacks, checkpoints, limits."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skopt2.callbacks import Checkpoint
from skopt2.linear_model import TrendFilter
from tests.callbacks.test_checkpoint import Interrupt


@pytest.fixture
def signal(rng):
    x = np.sort(rng.uniform(0, 3, 300))
    return x, np.abs(x - 1.5) * 3 + 0.3 * rng.standard_normal(300)


@pytest.mark.parametrize("order", [0, 1, 2])
def test_a_checkpoint_continues_the_fit(signal, order, tmp_path):
    model = TrendFilter(order, alpha=1e-3, tol=1e-8)
    whole = clone(model).fit(*signal)
    assert whole.n_iter_ > 4
    path = tmp_path / "trend.ckpt"
    broken = clone(model).set_callbacks(Checkpoint(path, min_seconds=0), Interrupt(3))
    with pytest.raises(KeyboardInterrupt):
        broken.fit(*signal)
    rest = clone(model).set_callbacks(Checkpoint(path)).fit(*signal)
    assert rest.converged_
    assert rest.n_iter_ == whole.n_iter_
    assert_allclose(rest.fitted_, whole.fitted_, rtol=1e-9)
    assert rest.history_["iteration"][0] == 1


def test_limits_end_a_fit_that_stays_usable(signal):
    model = TrendFilter(1, alpha=1e-3, tol=1e-12, max_iter=2)
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        model.fit(*signal)
    assert model.n_iter_ == 2
    assert model.stop_reason_ == "max_iter"
    assert np.isfinite(model.predict(signal[0])).all()
    model.set_params(max_iter=1000, time_limit=1e-9)
    with pytest.warns(ConvergenceWarning, match="time_limit"):
        model.fit(*signal)
    assert model.stop_reason_ == "time_limit"
    assert model.n_iter_ == 1
