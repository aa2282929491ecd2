"""Streamed costs as stored matrices in the log domain, and clouds for them."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from skopt2.solvers.transport.cost import METRICS


def chebyshev(X, Y):
    return cdist(X, Y, "chebyshev")


ALL = [*METRICS, pytest.param(chebyshev, id="callable")]


class Whole:
    """The same operations on a stored matrix, in the log domain throughout."""

    def __init__(self, C, eps):
        self.C, self.eps = np.asarray(C, dtype=np.float64), eps

    def row_softmin(self, g):
        return -self.eps * logsumexp((g - self.C) / self.eps, axis=1)

    def col_softmin(self, f):
        return -self.eps * logsumexp((f[:, None] - self.C) / self.eps, axis=0)

    def log_plan(self, f, g):
        return (f[:, None] + g - self.C) / self.eps

    def plan(self, f, g):
        return np.exp(self.log_plan(f, g))

    def sweep(self, f, g, a, b, omega=1.0):
        """Return the potentials after a sweep, and the row error before it."""
        with np.errstate(over="ignore"):
            new = self.eps * np.log(a) + self.row_softmin(g)
            error = (a * np.abs(np.expm1((f - new) / self.eps))).sum()
        f = (1 - omega) * f + omega * new
        new = self.eps * np.log(b) + self.col_softmin(f)
        return f, (1 - omega) * g + omega * new, error

    def rounded(self, f, g, a, b):
        """Altschuler, Weed and Rigollet, algorithm 2, and the figures of the result."""
        log_p = self.log_plan(f, g)
        P = np.exp(log_p)
        with np.errstate(divide="ignore", invalid="ignore"):
            P = P * np.fmin(a / P.sum(axis=1), 1.0)[:, None]
            P = P * np.fmin(b / P.sum(axis=0), 1.0)
        e, d = a - P.sum(axis=1), b - P.sum(axis=0)
        P = P + np.outer(e, d) / e.sum()
        some = P > 0
        entropy = (P[some] * (np.log(P[some]) - 1)).sum()
        divergence = (P[some] * (np.log(P[some]) - log_p[some])).sum()
        divergence += np.exp(log_p).sum() - P.sum()
        return (P * self.C).sum(), entropy, divergence


def clouds(n=700, m=500, d=2, seed=0):
    rng = np.random.default_rng(seed)
    X, Y = rng.random((n, d)), rng.random((m, d)) + 0.1
    a, b = rng.random(n) + 0.1, rng.random(m) + 0.1
    return X, Y, a / a.sum(), b / b.sum()


def solved(geometry, a, b, eps, sweeps=20, omega=1.0):
    """Return potentials of the geometry after some sweeps."""
    xp = geometry.xp
    f, g = xp.zeros_like(a), xp.zeros_like(b)
    for _ in range(sweeps):
        f, g, _ = geometry.sweep(f, g, xp.log(a), xp.log(b), eps, omega)
    return f, g


def close(found, expected, tol=1e-10):
    scale = np.abs(expected[np.isfinite(expected)]).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=tol * scale)
