"""The benchmark of steps from curvature counts what it says."""

import numpy as np
import pytest

from benchmarks import curvature


def test_large_eigenvalues_leave_columns_of_one_norm():
    V = curvature.fourier(12)
    np.testing.assert_allclose(V.T @ V, np.eye(12), atol=1e-12)
    for k in (1, 3, 5):
        np.testing.assert_allclose((V[:, :k] ** 2).sum(axis=1), k / 12)


@pytest.mark.parametrize("loss", ["logistic", "poisson", "huber"])
def test_rows_of_the_table(loss):
    rng = np.random.default_rng(0)
    X = curvature.make_design(rng, 100, 5, "scaled")
    y = curvature.make_target(rng, X, loss)
    runs = curvature.race(X, y, loss, 1e-3, ("newton", "newton-damped", "poly"))
    best = [objective.min() for _, _, objective in runs.values()]
    assert max(best) - min(best) <= 1e-9
    assert all((np.diff(seconds) >= 0).all() for _, seconds, _ in runs.values())
    null = curvature.null_objective(X, y, loss)
    assert null > min(best)
    rate = y.mean()
    if loss == "logistic":
        expected = -rate * np.log(rate) - (1 - rate) * np.log(1 - rate)
        assert null == pytest.approx(expected, rel=1e-9)
    elif loss == "poisson":
        assert null == pytest.approx(rate - rate * np.log(rate), rel=1e-9)
