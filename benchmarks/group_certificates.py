"""Certificates of group models, beside those of :mod:`benchmarks.certificates`.

Consecutive groups of d features, one level for all of them::

    group_lasso     F = |y - Xw|^2 / (2n) + alpha sum_g |w_g|
    group_logistic  F = mean log(1 + exp(-y_i x_i'w)) + alpha sum_g |w_g|

Both are measured by the duality gap of the scaled residual, relative to the objective
of w = 0.
"""

import numpy as np
from scipy.special import xlogy

MODELS = ("group_lasso", "group_logistic")


def norms(v, size):
    """Norms of consecutive groups."""
    return np.sqrt(np.add.reduceat(v * v, np.arange(0, len(v), size)))


def _lasso(X, y, w, alpha, size):
    n = len(y)
    residual = y - X @ w
    force = norms(X.T @ residual, size).max() / n
    theta = residual * (min(1.0, alpha / force) if force > 0 else 1.0)
    primal = residual @ residual / (2 * n) + alpha * norms(w, size).sum()
    dual = theta @ (2.0 * y - theta) / (2 * n)
    return primal, (primal - dual) / (y @ y / (2 * n))


def _logistic(X, y, w, alpha, size):
    n = len(y)
    margin = y * (X @ w)
    q = np.exp(-np.logaddexp(0.0, margin))
    force = norms(X.T @ (y * q), size).max() / n
    q = q * (min(1.0, alpha / force) if force > 0 else 1.0)
    primal = np.mean(np.logaddexp(0.0, -margin)) + alpha * norms(w, size).sum()
    dual = -np.mean(xlogy(q, q) + xlogy(1.0 - q, 1.0 - q))
    return primal, (primal - dual) / np.log(2.0)


def measure(problem, w, alpha):
    """Objective and certificate of one coefficient vector."""
    gap = _lasso if problem.model == "group_lasso" else _logistic
    return gap(problem.X, problem.y, w, alpha, problem.group_size)


def alpha_max(model, X, y, size):
    """Smallest alpha with a null solution."""
    scale = 2.0 if model == "group_logistic" else 1.0
    return float(norms(X.T @ y, size).max()) / (scale * len(y))
