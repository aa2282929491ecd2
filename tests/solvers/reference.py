"""Solvers in plain NumPy loops, for small problems, and exhaustive search."""

import itertools

import numpy as np

GRADIENTS = {
    "squared": lambda y, eta: eta - y,
    "huber": lambda y, eta: np.clip(eta - y, -1.35, 1.35),
    "logistic": lambda y, eta: -y / (1.0 + np.exp(y * eta)),
    "poisson": lambda y, eta: np.exp(eta) - y,
}
VALUES = {
    "squared": lambda y, eta: (y - eta) ** 2 / 2,
    "huber": lambda y, eta: np.where(
        abs(y - eta) <= 1.35, (y - eta) ** 2 / 2, 1.35 * abs(y - eta) - 1.35**2 / 2
    ),
    "logistic": lambda y, eta: np.logaddexp(0.0, -y * eta),
    "poisson": lambda y, eta: np.exp(eta) - y * eta,
    "quantile": lambda y, eta: np.maximum(0.5 * (y - eta), 0.5 * (eta - y)),
}
CURVATURE = {"squared": 1.0, "huber": 1.0, "logistic": 0.25}


def objective(X, y, loss, penalty, lam, w, b=0.0, s=None):
    """Objective from its definition."""
    s = np.full(len(y), 1 / len(y)) if s is None else s
    return s @ VALUES[loss](y, X @ w + b) + penalty.value(w, lam)


def coordinate_descent(
    X, y, loss, penalty, lam, s=None, fit_intercept=True, w=None, b=0.0, sweeps=2000
):
    """Cyclic coordinate descent with steps 1 / L_j, one coordinate after the other."""
    n, p = X.shape
    s = np.full(n, 1 / n) if s is None else s
    w = np.zeros(p) if w is None else w.copy()
    curvature = CURVATURE.get(loss)
    for _ in range(sweeps):
        largest = 0.0
        for j in range(p + fit_intercept):
            column = X[:, j] if j < p else np.ones(n)
            eta = X @ w + b
            c = 4.0 * np.exp(eta).max() if curvature is None else curvature
            L = c * (s @ column**2)
            if L == 0.0:
                continue
            z = (w[j] if j < p else b) - column @ (s * GRADIENTS[loss](y, eta)) / L
            if j < p:
                part = penalty.restrict(np.array([j]))
                new = part.prox(np.array([z]), np.array([1.0 / L]), lam[j : j + 1])[0]
                largest = max(largest, abs(new - w[j]) * np.sqrt(L))
                w[j] = new
            else:
                largest, b = max(largest, abs(z - b) * np.sqrt(L)), z
        if largest < 1e-11:
            break
    return w, b


def best_subset(X, y, lam):
    """Smallest (1/2n) |y - X_S w - b|^2 + lam |S| over all subsets S, and S."""
    n, p = X.shape
    X, y = X - X.mean(axis=0), y - y.mean()
    best, chosen = np.inf, ()
    for k in range(p + 1):
        for subset in itertools.combinations(range(p), k):
            A = X[:, subset]
            r = y - A @ np.linalg.lstsq(A, y, rcond=None)[0] if k else y
            value = r @ r / (2 * n) + lam * k
            if value < best:
                best, chosen = value, subset
    return best, chosen


def accelerated_gradient(X, y, gradient, L, lam, bend, iterations):
    """Accelerated gradient for l1 plus a smooth concave rest, formula by formula.

    L bounds the curvature of loss and rest; ``bend(w)`` is the derivative of the rest.
    """
    n, p = X.shape
    beta, alpha, rest, speed = 0.99 / L, 1.0, 0, 0.0
    w, v, last, middles = np.zeros(p), np.zeros(p), np.zeros(p), []
    for _ in range(iterations):
        m = (1 - alpha) * v + alpha * w
        g = X.T @ gradient(y, X @ m) / n + bend(m)
        w = _soft(w - beta / alpha * g, beta / alpha * lam)
        v = _soft(m - beta * g, beta * lam)
        before, speed = speed, np.linalg.norm(m - last)
        last = m
        middles.append(m)
        if speed < before and rest >= 3:
            alpha, rest = 1.0, 0
        else:
            alpha, rest = 2 / (1 + np.sqrt(1 + 4 / alpha**2)), rest + 1
    return v, middles


def _soft(z, threshold):
    return np.sign(z) * np.maximum(np.abs(z) - threshold, 0.0)
