"""Problems of several tasks, and their minima from an independent solver."""

import numpy as np
import pytest

from skopt2.losses import get_loss
from skopt2.penalties import get_multitask_penalty
from skopt2.solvers.multitask_problem import MultiTaskProblem


def make_data(n=40, p=12, K=4, rank=2, seed=0, noise=0.5):
    """Return X with means and coefficients of low rank in few rows behind Y."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) @ (np.eye(p) + 0.3 * rng.standard_normal((p, p)))
    W = np.zeros((p, K))
    W[: p // 3] = rng.standard_normal((p // 3, rank)) @ rng.standard_normal((rank, K))
    Y = X @ W + noise * rng.standard_normal((n, K)) + 3.0
    return X + rng.standard_normal(p), Y


def make_problem(X, Y, penalty, alpha, s=None, fit_intercept=True):
    """Return the problem that the solvers get; X and Y may be on any device."""
    if isinstance(penalty, str):
        penalty = get_multitask_penalty(penalty)
    loss = get_loss("squared")
    return MultiTaskProblem(X, Y, loss, penalty, np.array([alpha]), s, fit_intercept)


def run(solver, tol=1e-10, start=None, steps=60):
    """Return the last state of a solver."""
    state = solver.init(start)
    for _ in range(steps):
        state = solver.step(state)
        if state.measure.value <= tol or state.measure.stalled:
            break
    return state


def convex_minimum(X, Y, kind, alpha, s=None):
    """Return the minimum that an interior-point method finds, with an intercept."""
    cvxpy = pytest.importorskip("cvxpy")
    n, p = X.shape
    s = np.full(n, 1.0 / n) if s is None else s
    W, b = cvxpy.Variable((p, Y.shape[1])), cvxpy.Variable((1, Y.shape[1]))
    residual = Y - X @ W - np.ones((n, 1)) @ b
    value = 0.5 * cvxpy.sum_squares(cvxpy.multiply(np.sqrt(s)[:, None], residual))
    if kind == "nuclear":
        value += alpha * cvxpy.normNuc(W)
    else:
        value += alpha * cvxpy.sum(cvxpy.norm(W, 2, axis=1))
    problem = cvxpy.Problem(cvxpy.Minimize(value))
    return problem.solve(solver="CLARABEL", tol_gap_rel=1e-9, tol_gap_abs=1e-9)


def objective_of(X, Y, W, b, s, penalty, alpha):
    """Return the objective of coefficients (p, K) from its formula."""
    r = Y - X @ W - b
    return 0.5 * float((s[:, None] * r * r).sum()) + penalty.value(W, alpha)
