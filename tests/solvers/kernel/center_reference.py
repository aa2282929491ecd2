"""Least squares on centres in dense float64: what the solvers are held against."""

import numpy as np


def problem(rng, n=300, p=40, d=3, c=2, noise=0.1):
    """Return rows, targets with noise, and centres that are some of the rows."""
    X = rng.standard_normal((n, d))
    Y = np.stack([np.sin((1 + j) * X[:, 0]) + X[:, 1] * X[:, -1] for j in range(c)], 1)
    Y += noise * rng.standard_normal(Y.shape)
    return X, Y, X[rng.permutation(n)[:p]].copy()


def dense_solution(kernel, X, Y, Z, weight=None, alpha=0.0):
    """Return the coefficients of the stacked least-squares problem."""
    X, Y, Z = (np.asarray(values, dtype=np.float64) for values in (X, Y, Z))
    K, rows = kernel(Z), kernel(X, Z)
    values, vectors = np.linalg.eigh(K)
    root = np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
    scale = np.ones((len(X), 1)) if weight is None else np.sqrt(weight)[:, None]
    left = np.concatenate([scale * rows, np.sqrt(alpha) * root])
    right = np.concatenate([scale * Y, np.zeros((len(Z), Y.shape[1]))])
    return np.linalg.lstsq(left, right, rcond=1e-14)[0]


def objective(kernel, X, Y, Z, a, weight=None, alpha=0.0):
    """Return the objective of coefficients."""
    weight = np.ones(len(X)) if weight is None else weight
    loss = np.sum(weight[:, None] * (Y - kernel(X, Z) @ a) ** 2)
    return loss + alpha * np.sum(a * (kernel(Z) @ a))


def distance(kernel, X, Z, a, b):
    """Return how far the values of a at X are from those of b, relative to these."""
    K = kernel(np.asarray(X, dtype=np.float64), np.asarray(Z, dtype=np.float64))
    return np.linalg.norm(K @ (a - b)) / np.linalg.norm(K @ b)
