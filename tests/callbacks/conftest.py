"""Data of the callback tests."""

import pytest

from skopt2.datasets import make_sparse_regression


@pytest.fixture
def data():
    """Return X, y and the true coefficients of a small problem."""
    return make_sparse_regression(
        120, 30, n_informative=5, rho=0.5, snr=5, random_state=0
    )


@pytest.fixture
def X(data):
    return data[0]


@pytest.fixture
def y(data):
    return data[1]
