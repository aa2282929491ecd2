"""Sparse inverse covariance: skopt2 beside scikit-learn and skglm, to one gap.

Run from the root of the repository::

    python -m benchmarks.graphical_lasso --features 100 300

The covariance matrix is given. The error is the duality gap divided by the number of
features, from the precision matrix that a method returns and the better of two dual
points: its inverse, and the covariance that the method returns, both clipped to what is
feasible. skopt2 stops by this figure; a peer gets the loosest of its tolerances, by
tens, that reaches it. Times are processor time, the least of some; skglm, where it is
installed, has compiled before.

Graphs: ``chain``; ``random``, with two edges a node of both signs; ``hub``, stars of
twenty. Rows: twice the features, and half of them. ``alpha`` is the level with so many
pairs of features joined in the solution.
"""

import argparse
import math
import time
import warnings

import numpy as np
from sklearn.covariance import graphical_lasso

from skopt2.covariance import SparseInverseCovariance

TOLERANCES = 10.0 ** np.arange(-3, -10, -1)
GRAPHS = ("chain", "random", "hub")


def precision_of(graph, d, rng):
    """Return a sparse positive definite matrix.

    Parameters
    ----------
    graph : {"chain", "random", "hub"}
        See the module.
    d : int
        Features.
    rng : numpy.random.Generator
        Draws it.

    Returns
    -------
    T : ndarray of shape (d, d)
    """
    T = np.zeros((d, d))
    if graph == "chain":
        nodes = np.arange(d - 1)
        T[nodes, nodes + 1] = 0.4
    elif graph == "random":
        i, j = rng.integers(0, d, (2, 2 * d))
        kept = i != j
        i, j = i[kept], j[kept]
        T[i, j] = rng.choice([-1.0, 1.0], i.size) * rng.uniform(0.2, 0.4, i.size)
    else:
        for hub in range(0, d, 20):
            T[hub, hub + 1 : hub + 20] = 0.25
    T = np.triu(T, 1)
    T = T + T.T
    return T + (0.2 - min(np.linalg.eigvalsh(T)[0], 0.0)) * np.eye(d)


def covariance_of(graph, d, n, seed=0):
    """Return the covariance matrix of n rows of unit variance.

    Parameters
    ----------
    graph : str
        Of :func:`precision_of`.
    d, n : int
        Features and rows.
    seed : int, default=0
        Of the draw.

    Returns
    -------
    S : ndarray of shape (d, d)
    """
    rng = np.random.default_rng(seed)
    T = precision_of(graph, d, rng)
    X = np.linalg.solve(np.linalg.cholesky(T).T, rng.standard_normal((d, n))).T
    X /= np.sqrt(np.diag(np.linalg.inv(T)))
    return np.cov(X, rowvar=False, bias=True)


def relative_gap(S, alpha, T, W):
    """Return the duality gap of a solution, divided by the number of features.

    Parameters
    ----------
    S : ndarray of shape (d, d)
        Covariance matrix.
    alpha : float
        Level.
    T, W : ndarray of shape (d, d)
        Precision and covariance of a method.

    Returns
    -------
    gap : float
    """
    d = len(S)
    sign, log_det = np.linalg.slogdet(T)
    off = np.abs(T).sum() - np.abs(np.diag(T)).sum()
    value = (S * T).sum() - log_det + alpha * off
    free = alpha * (1.0 - np.eye(d))
    gaps = [math.inf]
    for dual in (np.linalg.inv(T), W):
        Z = S + np.clip(dual - S, -free, free)
        roots = np.linalg.eigvalsh(0.5 * (Z + Z.T))
        if sign > 0 and roots[0] > 0.0:
            gaps.append(value - np.log(roots).sum() - d)
    return min(gaps) / d


def ours(S, alpha, tol):
    """Return precision and covariance of skopt2."""
    model = SparseInverseCovariance(alpha, covariance="precomputed", tol=tol)
    model.fit(S)
    return model.precision_, model.covariance_


def scikit_learn(S, alpha, tol):
    """Return precision and covariance of scikit-learn, by coordinate descent."""
    options = {"tol": tol * len(S), "enet_tol": min(tol, 1e-4), "max_iter": 500}
    W, T = graphical_lasso(S, alpha, **options)
    return T, W


def skglm(S, alpha, tol):
    """Return precision and covariance of skglm, by its default algorithm."""
    from skglm.covariance import GraphicalLasso

    # Its tolerance is that of a change, and of the problems of single rows.
    inner = {"tol": tol, "inner_tol": min(tol, 1e-4), "max_iter": 500}
    model = GraphicalLasso(alpha, **inner).fit(S, mode="precomputed")
    return model.precision_, model.covariance_


def have_skglm():
    """Return whether skglm is installed with the model."""
    try:
        from skglm.covariance import GraphicalLasso
    except ImportError:
        return False
    return callable(GraphicalLasso)


def level_of(S, density):
    """Return the level at which so many pairs of features are joined."""
    d = len(S)
    low, high = 0.0, np.abs(S - np.diag(np.diag(S))).max()
    for _ in range(12):
        middle = 0.5 * (low + high)
        T, _ = ours(S, middle, 1e-3)
        joined = (np.count_nonzero(T) - d) / (d * (d - 1))
        low, high = (middle, high) if joined > density else (low, middle)
    return high


def timed(method, S, alpha, goal, repeats, tolerances):
    """Return the time and the error at the loosest tolerance that is enough."""
    error = math.inf
    for tol in tolerances:
        seconds = []
        for _ in range(repeats):
            start = time.process_time()
            try:
                T, W = method(S, alpha, tol)
            except FloatingPointError:
                break
            seconds.append(time.process_time() - start)
        if len(seconds) < repeats:
            continue
        error = relative_gap(S, alpha, T, W)
        if error <= goal:
            return min(seconds), error
    return math.nan, error


def compare(d, n, graph, density, goal=1e-6, repeats=1):
    """Return the level, and a pair of time and error for each method.

    Parameters
    ----------
    d, n : int
        Features and rows.
    graph : str
        Of :func:`precision_of`.
    density : float
        Part of the pairs that are joined.
    goal : float, default=1e-6
        Relative gap.
    repeats : int, default=1
        Of each run.

    Returns
    -------
    alpha : float
    rows : dict of (float, float)
    """
    S = covariance_of(graph, d, n)
    alpha = level_of(S, density)
    rows = {"skopt2": timed(ours, S, alpha, goal, repeats, [goal])}
    rows["scikit-learn"] = timed(scikit_learn, S, alpha, goal, repeats, TOLERANCES)
    if have_skglm():
        skglm(S[:4, :4].copy(), alpha, 1e-3)
        rows["skglm"] = timed(skglm, S, alpha, goal, repeats, TOLERANCES)
    return alpha, rows


def main(argv=None):
    """Print a line for each problem."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.graphical_lasso")
    parser.add_argument("--features", nargs="+", type=int, default=[100, 300, 600])
    parser.add_argument("--densities", nargs="+", type=float, default=[0.01, 0.05, 0.2])
    parser.add_argument("--graphs", nargs="+", choices=GRAPHS, default=list(GRAPHS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--goal", type=float, default=1e-6)
    options = parser.parse_args(argv)
    for d in options.features:
        for n in (2 * d, d // 2):
            for graph in options.graphs:
                for density in options.densities:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        alpha, rows = compare(
                            d, n, graph, density, options.goal, options.repeats
                        )
                    shown = "  ".join(
                        f"{name} {1e3 * seconds:8.1f} ms ({error:.0e})"
                        for name, (seconds, error) in rows.items()
                    )
                    print(
                        f"d={d} n={n} {graph:6s} density {density:4.2f} "
                        f"alpha {alpha:.3f}  {shown}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
