"""The number of different rows is exact, however the sample is written."""

import numpy as np
import pytest
import scipy.sparse as sp

from skopt2._core.array import move
from skopt2.solvers import distinct_rows as module
from skopt2.solvers.design import Design
from skopt2.solvers.distinct_rows import DistinctRows

FORMATS = [np.ascontiguousarray, np.asfortranarray, sp.csc_matrix, sp.csr_array]


def rows_of(kind, X, weight=None):
    weight = np.ones(len(X)) if weight is None else weight
    s = (weight / weight.sum()).astype(X.dtype)
    return Design(kind(X), s, center=False).distinct


def integers(rng, n, p):
    """Few values, so that many rows agree in their first columns, and some in all."""
    return rng.integers(0, 3, (n, p)).astype(float) * (rng.random((n, p)) < 0.5)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("p", [1, 2, 5, 40])
def test_count(rng, kind, p, dtype):
    X = integers(rng, 60, p).astype(dtype)
    weight = rng.integers(0, 3, 60)
    rows = np.repeat(np.arange(60), weight)
    expected = len(np.unique(X[weight > 0], axis=0))
    assert rows_of(kind, X, weight).count == expected
    assert rows_of(kind, X[rows]).count == expected
    assert rows_of(kind, X[rng.permutation(rows)]).count == expected


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("n", [31, 32, 33, 65])
def test_repeated_rows_are_found_wherever_they_are(rng, monkeypatch, kind, n):
    """Also where the last chunk is a single row."""
    X = rng.standard_normal((n, 50))
    rows = rng.permutation(np.repeat(np.arange(n), 3))
    for chunk in (module.CHUNK, 32 * 50):
        monkeypatch.setattr(module, "CHUNK", chunk)
        assert rows_of(kind, X[rows]).count == n


@pytest.mark.parametrize("kind", FORMATS)
def test_at_least(rng, kind):
    X = integers(rng, 50, 30)
    X[:, ::7] = 0.0
    X[25:] = X[:25]
    expected = len(np.unique(X, axis=0))
    assert expected <= 25
    rows = rows_of(kind, X)
    assert [rows.at_least(k) for k in (0, 1, expected, expected + 0.5, 60)] == [
        True,
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_few_columns_do_where_no_rows_are_alike(rng, monkeypatch, kind):
    looks = []
    count = DistinctRows._different

    def spy(self, step):
        looks.append(step)
        return count(self, step)

    monkeypatch.setattr(DistinctRows, "_different", spy)
    rows = rows_of(kind, rng.standard_normal((50, 100)))
    assert not rows.at_least(51)
    assert not looks
    assert rows.at_least(50)
    assert rows.count == 50
    assert len(looks) == 1
    assert looks[0] > 1


def test_other_namespaces(device_backend, rng):
    X = integers(rng, 60, 12)
    X[30:] = X[:30]
    weight = rng.integers(0, 3, 60).astype(float)
    expected = len(np.unique(X[weight > 0], axis=0))
    X, s = (move(a, device_backend.target) for a in (X, weight / weight.sum()))
    assert Design(X, s, center=True).distinct.count == expected
