"""A ridge penalty of its own for each target, against scikit-learn's."""

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge

from skopt2.kernel_machine import EigenProRegressor

ALPHA = [0.1, 3.0, 0.1]


@pytest.fixture
def data(rng):
    X = rng.standard_normal((90, 3))
    Y = np.stack([np.sin(X[:, 0]), X[:, 1] ** 2, X[:, 2]], axis=1)
    return X, Y + 0.1 * rng.standard_normal(Y.shape), rng.uniform(0.5, 2.0, 90)


@pytest.mark.parametrize("solver", ["cholesky", "sap", "cg"])
def test_equals_kernel_ridge(data, solver):
    X, Y, weight = data
    wanted = KernelRidge(kernel="rbf", gamma=0.5, alpha=ALPHA).fit(X, Y, weight)
    model = EigenProRegressor(
        "gaussian", length_scale=1.0, alpha=ALPHA, solver=solver, tol=1e-9
    ).fit(X, Y, weight)
    np.testing.assert_allclose(model.dual_coef_, wanted.dual_coef_, atol=1e-6)
    np.testing.assert_allclose(model.predict(X), wanted.predict(X), atol=1e-7)
    assert model.converged_
    assert model.certificate_.value <= 1e-9
    assert np.all(np.diff(model.history_["iteration"]) > 0)


def test_centres_too(data):
    X, Y, weight = data
    options = {"length_scale": 1.0, "centers": X[:20]}
    model = EigenProRegressor("gaussian", alpha=ALPHA, **options).fit(X, Y, weight)
    for column, alpha in enumerate(ALPHA):
        alone = EigenProRegressor("gaussian", alpha=alpha, **options)
        alone.fit(X, Y[:, column], weight)
        np.testing.assert_allclose(model.dual_coef_[:, column], alone.dual_coef_)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"alpha": [1.0, 2.0]}, "3 targets"),
        ({"alpha": [1.0, -2.0, 1.0]}, "alpha"),
        ({"alpha": [[1.0]]}, "alpha"),
        ({"alpha": ALPHA, "early_stopping": True}, "early_stopping"),
    ],
)
def test_errors(data, params, message):
    X, Y, _ = data
    with pytest.raises(ValueError, match=message):
        EigenProRegressor(**params).fit(X, Y)


def test_chunks_need_one_penalty(data):
    X, Y, _ = data
    model = EigenProRegressor(alpha=ALPHA, centers=X[:9])
    with pytest.raises(ValueError, match="one alpha"):
        model.partial_fit(X, Y)
    with pytest.raises(ValueError, match="one alpha"):
        model.fit(iter([(X, Y)]), None)
