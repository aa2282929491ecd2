"""Matrices of low rank, real tables, and plain soft-impute, for the benchmark."""

import gzip
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

from skopt2.solvers.low_rank.entries import DenseEntries, SparseEntries

# Rows of a real table at most.
ROWS = 1500
FILES = {name: f"uci_{name}_data.csv.gz" for name in ("pol", "protein", "elevators")}


def low_rank(n, p, k, rng, condition=1.0):
    """Return a matrix of rank k whose entries have mean square one.

    Parameters
    ----------
    n, p, k : int
        Shape and rank.
    rng : numpy.random.Generator
        Draws it.
    condition : float, default=1.0
        Ratio of its largest singular value to its smallest.

    Returns
    -------
    M : ndarray of shape (n, p)
    """
    U = np.linalg.qr(rng.standard_normal((n, k)))[0]
    V = np.linalg.qr(rng.standard_normal((p, k)))[0]
    M = (U * np.geomspace(1.0, 1.0 / condition, k)) @ V.T
    return M / np.sqrt(np.mean(M**2))


def removed(X, how, rng):
    """Return which entries are removed: a quarter or so.

    Parameters
    ----------
    X : ndarray of shape (n, p)
        Complete.
    how : {"random", "values", "margins"}
        Equally; more often where values are large; by row and column intensity.
    rng : numpy.random.Generator
        Draws them.

    Returns
    -------
    missing : ndarray of bool of shape (n, p)
    """
    chance = np.full(X.shape, 0.25)
    if how == "values":
        chance = 0.5 / (1.0 + np.exp(-2.0 * X))
    elif how == "margins":
        rows, columns = (rng.beta(1.0, 1.0, size) for size in X.shape)
        chance = np.minimum(rows[:, None] * columns[None, :], 0.9)
    return rng.random(X.shape) < chance


def real_tables(folder):
    """Yield the names and the values of real tables.

    Parameters
    ----------
    folder : str or None
        Where the files of UCI are; those that are absent are left out.
    """
    for load in (load_digits, load_breast_cancer, load_diabetes):
        yield load.__name__[5:], load().data[:ROWS]
    for name, file in FILES.items():
        path = Path(folder or "") / file
        if folder and path.exists():
            with gzip.open(path, "rt") as lines:
                yield name, np.loadtxt(lines, delimiter=",", max_rows=ROWS)


def soft_impute(X, level, start=None, gap=None, max_iter=1000, tol=1e-4):
    """Return the minimiser over M of a penalised squared error, by soft-impute.

    The problem: sum over known entries of (x - m)^2 / 2, plus the level times the
    nuclear norm of M. Each iteration fills in M, and lowers the singular values.

    Parameters
    ----------
    X : ndarray of shape (n, p)
        NaN where nothing is known.
    level : float
        Of the nuclear norm.
    start : ndarray of shape (n, p), default=None
        Where to start; None for zero.
    gap : float, default=None
        Relative duality gap to stop at; None stops where M moves less than ``tol``.
    max_iter : int, default=1000
        Most iterations.
    tol : float, default=1e-4
        Relative change.

    Returns
    -------
    M : ndarray of shape (n, p)
    """
    known = ~np.isnan(X)
    M = np.zeros(X.shape) if start is None else start
    for _ in range(max_iter):
        U, s, Vt = np.linalg.svd(np.where(known, X, M), full_matrices=False)
        s = np.maximum(s - level, 0.0)
        old, M = M, (U * s) @ Vt
        if gap is None and np.linalg.norm(M - old) <= tol * np.linalg.norm(M):
            break
        if gap is not None and relative_gap(X, M, s, level) <= gap:
            break
    return M


def relative_gap(X, M, s, level):
    """Return the duality gap of a matrix over the objective of zero.

    Parameters
    ----------
    X : ndarray of shape (n, p)
        NaN where nothing is known.
    M : ndarray of shape (n, p)
        Solution.
    s : ndarray
        Its singular values.
    level : float
        Of the nuclear norm.
    """
    Z, R = np.nan_to_num(X), np.nan_to_num(X - M)
    T = R * min(1.0, level / np.linalg.norm(R, 2))
    value = 0.5 * np.sum(R**2) + level * s.sum()
    return (value - np.sum(T * Z) + 0.5 * np.sum(T**2)) / (0.5 * np.sum(Z**2))


class SoftImpute:
    """Soft-impute on centred and scaled columns, its level by held-out entries.

    Parameters
    ----------
    solve : callable
        ``solve(X, level, start)`` completes a matrix.
    """

    def __init__(self, solve=soft_impute):
        self.solve = solve

    def fit_transform(self, Z):
        """Return a completed table."""
        mean, scale = np.nanmean(Z, axis=0), np.nanstd(Z, axis=0)
        scale[scale == 0.0] = 1.0
        X, rng = (Z - mean) / scale, np.random.default_rng(0)
        places = np.argwhere(~np.isnan(X))
        held = tuple(places[rng.choice(len(places), len(places) // 10, False)].T)
        train = X.copy()
        train[held] = np.nan
        level = top = np.linalg.norm(np.nan_to_num(train), 2)
        best, worse, M = (np.inf, top), 0, None
        while worse < 2 and level > 1e-4 * top:
            level *= 0.6
            M = self.solve(train, level, M)
            error = np.mean((M - X)[held] ** 2)
            worse = 0 if error < best[0] else worse + 1
            best = min(best, (error, level))
        M = self.solve(X, best[1], M)
        return np.where(np.isnan(Z), M * scale + mean, Z)


def masked(M, share, rng, sparse=False):
    """Return the entries of a matrix at random positions."""
    mask = rng.random(M.shape) < share
    if not sparse:
        return DenseEntries(M * mask, mask.astype(float))
    matrix = sp.csr_array(mask.astype(float))
    matrix.data = M[mask]
    return SparseEntries(matrix)
