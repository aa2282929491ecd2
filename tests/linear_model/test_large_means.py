"""Columns whose means are huge beside their variances are centred all the same."""

import numpy as np
import pytest
import scipy.sparse as sp

from skopt2.linear_model import SparseRegressor

MODELS = [
    {"tol": 1e-8},
    {"penalty": "mcp", "tol": 1e-8},
    {"penalty": "mcp", "solver": "ag", "tol": 1e-7},
    {"solver": "proxgrad", "tol": 1e-7},
    {"penalty": "l_half", "tol": 1e-8},
    {"penalty": "l0", "tol": 1e-7},
    {"loss": "huber", "tol": 1e-7},
    {"loss": "quantile", "tol": 1e-7},
]


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array, sp.csc_matrix])
@pytest.mark.parametrize(("n", "p"), [(100, 20), (40, 60)])
@pytest.mark.parametrize("model", MODELS, ids=str)
def test_same_coefficients_as_on_centred_data(rng, kind, n, p, model):
    large = 1e8 + rng.standard_normal((n, p))
    X = large - 1e8
    y = X[:, :3] @ [3.0, -2.0, 1.5] + 0.5 * rng.standard_normal(n)
    one = SparseRegressor(alpha=0.05, **model).fit(kind(X), y)
    two = SparseRegressor(alpha=0.05, **model).fit(kind(large), y)
    assert one.converged_
    np.testing.assert_allclose(two.coef_, one.coef_, atol=1e-6)
    np.testing.assert_allclose(
        two.intercept_ + 1e8 * two.coef_.sum(), one.intercept_, atol=1e-5
    )
    np.testing.assert_allclose(two.predict(kind(large)), one.predict(X), atol=1e-5)
