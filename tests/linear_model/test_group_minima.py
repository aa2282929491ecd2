"""Minima of group models: a convex program, and restarts of a plain descent."""

import numpy as np
import pytest

from skopt2.linear_model import GroupRegressor
from skopt2.penalties import GroupMCP, GroupSCAD, SparseGroupLasso

SIZES = [1, 2, 3, 4, 5, 6, 2, 7]
LABELS = np.repeat(np.arange(8), SIZES)


@pytest.fixture
def X(rng):
    p = LABELS.size
    return rng.standard_normal((60, p)) @ (
        np.eye(p) + 0.3 * rng.standard_normal((p,) * 2)
    )


@pytest.fixture
def y(X, rng):
    return X[:, 3:6].sum(axis=1) - X[:, 21:23].sum(axis=1) + rng.standard_normal(60)


@pytest.mark.parametrize("tau", [0.0, 0.4])
@pytest.mark.parametrize("alpha", [0.02, 0.3])
def test_convex_minimum_of_a_cone_program(X, y, tau, alpha):
    cp = pytest.importorskip("cvxpy")
    w, b = cp.Variable(LABELS.size), cp.Variable()
    groups = [np.flatnonzero(g == LABELS) for g in range(8)]
    norms = cp.sum([np.sqrt(len(g)) * cp.norm(w[g], 2) for g in groups])
    penalty = alpha * ((1.0 - tau) * norms + tau * cp.norm1(w))
    loss = cp.sum_squares(X @ w + b - y) / (2 * len(y))
    expected = cp.Problem(cp.Minimize(loss + penalty)).solve(
        solver="CLARABEL", tol_gap_abs=1e-9, tol_gap_rel=1e-9, tol_feas=1e-9
    )
    kind = SparseGroupLasso(tau) if tau else "group_lasso"
    model = GroupRegressor(penalty=kind, groups=LABELS, alpha=alpha, tol=1e-10)
    model.fit(X, y)
    assert model.objective_ == pytest.approx(expected, rel=1e-6)
    assert model.objective_ <= expected * (1 + 1e-8)


def descend(X, y, w, penalty, lam, sweeps=400):
    """Plain cyclic descent with proximal steps, from a point; its objective."""
    n = len(y)
    parts = [np.flatnonzero(g == LABELS) for g in range(8)]
    curvatures = [np.linalg.norm(X[:, g], 2) ** 2 / n for g in parts]
    r = X @ w - y
    for _ in range(sweeps):
        for g, L, level in zip(parts, curvatures, lam, strict=True):
            z = w[g] - X[:, g].T @ r / (n * L)
            size = np.linalg.norm(z)
            shrunk = penalty.scalar.prox(np.float64(size), 1.0 / L, np.float64(level))
            new = z * (shrunk / size)
            r += X[:, g] @ (new - w[g])
            w[g] = new
    sizes = np.array([np.linalg.norm(w[g]) for g in parts])
    return r @ r / (2 * n) + penalty.scalar.value(sizes, lam)


@pytest.mark.thorough
@pytest.mark.parametrize("penalty", [GroupMCP(3.0), GroupSCAD(3.7)])
@pytest.mark.parametrize("alpha", [0.1, 0.3])
def test_restarts_of_coordinate_descent_find_nothing_better(X, y, penalty, alpha):
    X, y = X - X.mean(axis=0), y - y.mean()
    model = GroupRegressor(
        penalty=penalty, groups=LABELS, alpha=alpha, fit_intercept=False, tol=1e-9
    ).fit(X, y)
    assert model.certificate_.holds
    assert model.certificate_.name == "relative KKT violation"
    lam = alpha * np.sqrt(SIZES)
    rng = np.random.default_rng(0)
    starts = [np.zeros(LABELS.size), np.linalg.lstsq(X, y, rcond=None)[0]]
    starts += [2.0 * rng.standard_normal(LABELS.size) for _ in range(6)]
    found = [descend(X, y, start, penalty, lam) for start in starts]
    assert model.objective_ <= min(found) * (1 + 1e-6)
    # The restarts do not all end in one place: the comparison is one.
    assert max(found) > model.objective_ * (1 + 1e-4)
