"""Certificates of the benchmark, computed here and by nobody that is timed.

Objective without intercept, X (n, p), w (p,), alpha > 0::

    lasso     F = |y - Xw|^2 / (2n) + alpha |w|_1
    logistic  F = mean log(1 + exp(-y_i x_i'w)) + alpha |w|_1,  y_i in {-1, +1}
    mcp       F = |y - Xw|^2 / (2n) + sum_j pen(|w_j|; alpha, gamma)
    l0        F = |y - Xw|^2 / (2n) + alpha |w|_0

Convex problems are measured by the duality gap at the dual point obtained by scaling
the residual alone (no extrapolation, no memory of earlier points), so that nobody is
credited for a better bound than its coefficients give. The gap is divided by the
objective of w = 0: |y|^2 / (2n) for the lasso, log 2 for the logistic loss.

MCP is measured by max_j dist(-grad_j, d pen(w_j)) / lmax, lmax = |X'y|_inf / n. For l0
zero is stationary for every coordinate, so the measure is the coordinate-wise fixed
point max_j L_j |w_j - prox_j(w_j - grad_j / L_j)| / lmax with L_j = |x_j|^2 / n.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.special import xlogy

from benchmarks import group_certificates


@dataclass(frozen=True)
class Certified:
    """Objective, certificate and number of nonzeros of one coefficient vector."""

    objective: float
    certificate: float
    n_nonzero: int


def _lasso(X, y, w, alpha):
    n = len(y)
    residual = y - X @ w
    correlation = np.max(np.abs(X.T @ residual)) / n
    theta = residual * (min(1.0, alpha / correlation) if correlation > 0 else 1.0)
    primal = residual @ residual / (2 * n) + alpha * np.abs(w).sum()
    # (|y|^2 - |y - theta|^2) / 2n without the cancellation of the two squares
    dual = theta @ (2.0 * y - theta) / (2 * n)
    return primal, (primal - dual) / (y @ y / (2 * n))


def _logistic(X, y, w, alpha):
    n = len(y)
    margin = y * (X @ w)
    q = np.exp(-np.logaddexp(0.0, margin))
    correlation = np.max(np.abs(X.T @ (y * q))) / n
    q = q * (min(1.0, alpha / correlation) if correlation > 0 else 1.0)
    primal = np.mean(np.logaddexp(0.0, -margin)) + alpha * np.abs(w).sum()
    dual = -np.mean(xlogy(q, q) + xlogy(1.0 - q, 1.0 - q))
    return primal, (primal - dual) / np.log(2.0)


def _mcp(X, y, w, alpha, gamma):
    n = len(y)
    residual = y - X @ w
    gradient = -(X.T @ residual) / n
    size = np.abs(w)
    inside = size < gamma * alpha
    penalty = np.where(
        inside, alpha * size - size**2 / (2 * gamma), gamma * alpha**2 / 2
    )
    slope = np.where(inside, alpha - size / gamma, 0.0)
    distance = np.where(
        w == 0,
        np.maximum(np.abs(gradient) - alpha, 0.0),
        np.abs(gradient + np.sign(w) * slope),
    )
    scale = np.max(np.abs(X.T @ y)) / n
    return residual @ residual / (2 * n) + penalty.sum(), distance.max() / scale


def _l0(X, y, w, alpha):
    n = len(y)
    residual = y - X @ w
    gradient = -(X.T @ residual) / n
    squares = X.multiply(X).sum(axis=0) if sparse.issparse(X) else (X**2).sum(axis=0)
    lipschitz = np.maximum(np.asarray(squares).ravel() / n, np.finfo(float).tiny)
    z = w - gradient / lipschitz
    fixed = np.where(np.abs(z) > np.sqrt(2.0 * alpha / lipschitz), z, 0.0)
    scale = np.max(np.abs(X.T @ y)) / n
    objective = residual @ residual / (2 * n) + alpha * np.count_nonzero(w)
    return objective, np.max(lipschitz * np.abs(w - fixed)) / scale


def certify(problem, coefs):
    """Certificates of the rows of ``coefs``, one for each of ``problem.alphas``.

    Parameters
    ----------
    problem : Problem
        The problem that was solved.
    coefs : ndarray or sparse matrix of shape (n_alphas, n_features)
        Coefficients.

    Returns
    -------
    list of Certified
        In the order of the rows.
    """
    if sparse.issparse(coefs):
        coefs = coefs.toarray()
    coefs = np.asarray(coefs, dtype=float)
    if coefs.shape != (len(problem.alphas), problem.X.shape[1]):
        raise ValueError(f"coefficients have shape {coefs.shape}")
    certified = []
    for alpha, w in zip(problem.alphas, coefs, strict=True):
        if not np.all(np.isfinite(w)):
            certified.append(Certified(np.nan, np.inf, -1))
            continue
        if problem.model == "mcp":
            objective, value = _mcp(problem.X, problem.y, w, alpha, problem.gamma)
        elif problem.model in group_certificates.MODELS:
            objective, value = group_certificates.measure(problem, w, alpha)
        else:
            measure = {"lasso": _lasso, "logistic": _logistic, "l0": _l0}[problem.model]
            objective, value = measure(problem.X, problem.y, w, alpha)
        nonzero = int(np.count_nonzero(w))
        certified.append(Certified(float(objective), float(value), nonzero))
    return certified


def alpha_max(model, X, y, group_size=1):
    """Smallest alpha with a null solution (l1, MCP and groups)."""
    if model in group_certificates.MODELS:
        return group_certificates.alpha_max(model, X, y, group_size)
    scale = 2.0 if model == "logistic" else 1.0
    return float(np.max(np.abs(X.T @ y))) / (scale * len(y))
