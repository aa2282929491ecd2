"""Solvers of risk parity side by side: the tables of the user guide.

Run from the root of the repository::

    python -m benchmarks.risk_parity --assets 50 200 1000

Every method is run to the same largest relative error of the risk contributions,
measured by one function. Columns are sweeps or steps, and milliseconds of processor
time, medians over the matrices of a kind:

- ``plain ccd``: coordinate descent as published in 2013, on the covariance matrix, with
  the product with the covariances and the volatility kept up to date after each asset;
- ``improved ccd``: as published in 2022, on the correlation matrix, rescaled;
- ``ccd``, ``newton``: the solvers of ``RiskParity``, and ``factorised``, Newton without
  conjugate gradients;
- ``peer spinu``, ``peer choi``: the compiled sweeps of ``riskparityportfolio``, where
  it is installed, at the loosest of its tolerances that reaches the error;
- ``slsqp``: ``scipy.optimize`` on the convex problem, up to 200 assets.

Matrices: ``full`` has uniform eigenvalues before it is scaled to correlations,
``singular`` a fifth of them zero, ``deficient`` 35 hundredths of them, ``factor`` is
that of returns with four common factors in n / 2 + 10 periods. Volatilities are
log-uniform over a factor of ten.
"""

import argparse
import math
import statistics
import time

import numpy as np
from scipy.optimize import minimize

from skopt2._core.iterate import iterate
from skopt2.portfolio.covariance import correlation
from skopt2.solvers.risk_parity.choice import get_solver
from skopt2.solvers.risk_parity.newton import RiskNewton

MOST = 2000
# Assets above which SLSQP is left out.
SMALL = 200


def make_covariance(kind, n, rng):
    """Return a covariance matrix.

    Parameters
    ----------
    kind : {"full", "singular", "deficient", "factor"}
        See the module.
    n : int
        Assets.
    rng : numpy.random.Generator
        Draws it.

    Returns
    -------
    S : ndarray of shape (n, n)
        Of positive variances.
    """
    if kind == "factor":
        rows = n // 2 + 10
        common = rng.standard_normal((rows, 4))
        X = rng.standard_normal((rows, n)) + common @ rng.standard_normal((4, n))
        X += 1.5 * common[:, :1]
        X -= X.mean(axis=0)
    else:
        zero = {"full": 0.0, "singular": 0.2, "deficient": 0.35}[kind]
        rank = n - round(zero * n)
        roots = np.sqrt(rng.uniform(size=rank))
        X = (rng.standard_normal((n, rank)) * roots).T
    S = X.T @ X
    volatility = 10.0 ** rng.uniform(-2.0, -1.0, n)
    scale = volatility / np.sqrt(np.diag(S))
    return scale[:, None] * S * scale[None, :]


KINDS = ("full", "singular", "deficient", "factor")


def error(S, w, b):
    """Return the largest relative error of the risk contributions."""
    share = w * (S @ w)
    return float(np.abs(share / (share.sum() * b) - 1.0).max())


def plain_descent(S, b, tol):
    """Run the coordinate descent of 2013; return weights and sweeps."""
    x = 1.0 / np.sqrt(np.diag(S))
    x /= x.sum()
    Sx = S @ x
    volatility = math.sqrt(x @ Sx)
    k = 0
    while k < MOST and error(S, x, b) > tol:
        k += 1
        for i in range(x.size):
            variance = S[i, i]
            a = Sx[i] - variance * x[i]
            root = math.sqrt(a * a + 4.0 * variance * b[i] * volatility)
            change = (root - a) / (2.0 * variance) - x[i]
            Sx += change * S[i]
            x[i] += change
            volatility = math.sqrt(x @ Sx)
    return x / x.sum(), k


def improved_descent(S, b, tol):
    """Run the coordinate descent of 2022; return weights and sweeps."""
    C, volatility = _correlation(S)
    x = np.full(b.size, 1.0 / math.sqrt(C.sum()))
    k = 0
    while k < MOST and error(C, x, b) > tol:
        k += 1
        for i, row in enumerate(C):
            a = 0.5 * (row @ x - x[i])
            x[i] = math.sqrt(a * a + b[i]) - a
        s = C @ x
        x /= math.sqrt(x @ s)
    w = x / volatility
    return w / w.sum(), k


def package(name, S, b, tol):
    """Run a solver of the package; return weights and steps."""
    C, volatility = _correlation(S)
    if name == "factorised":
        solver = RiskNewton(C, b, factorise=True)
    else:
        solver = get_solver(name, C, b)
    result = iterate(solver, solver.init(), tol=tol, max_iter=MOST)
    w = result.solution.x / volatility
    return w / w.sum(), result.n_iter


def peer(design, method, S, b, tol):
    """Run a compiled peer at its own tolerance; it does not tell its sweeps."""
    return np.asarray(design(S, b, tol, MOST, method)).ravel(), math.nan


def loosest(run, S, b, tol):
    """Return the tolerance of its own at which a peer reaches an error."""
    for asked in tol / b.size * 0.1 ** np.arange(8):
        if error(S, run(S, b, asked)[0], b) <= tol:
            break
    return asked


def slsqp(S, b, tol):
    """Run a general solver on the convex problem; return weights and steps."""
    C, volatility = _correlation(S)
    found = minimize(
        lambda x: 0.5 * x @ C @ x - b @ np.log(x),
        np.sqrt(b),
        jac=lambda x: C @ x - b / x,
        method="SLSQP",
        bounds=[(1e-9, None)] * b.size,
        options={"ftol": 1e-15, "maxiter": 1000},
    )
    w = found.x / volatility
    return w / w.sum(), found.nit


def _correlation(S):
    found = correlation(S)
    return found.C, found.volatility


def _methods(n):
    found = {"plain ccd": plain_descent, "improved ccd": improved_descent}
    for name in ("ccd", "newton", "factorised"):
        found[name] = lambda S, b, tol, name=name: package(name, S, b, tol)
    try:
        from riskparityportfolio.vanilla import design
    except ImportError:
        design = None
    if design is not None:
        for method in ("spinu", "choi"):
            found[f"peer {method}"] = lambda S, b, tol, method=method: peer(
                design, method, S, b, tol
            )
    if n <= SMALL:
        found["slsqp"] = slsqp
    return found


def measure(kind, n, *, n_matrices, tol, skip=()):
    """Return the medians of every method.

    Parameters
    ----------
    kind : str
        Of :data:`KINDS`.
    n : int
        Assets.
    n_matrices : int
        Matrices, drawn with the seeds 0, 1, ...
    tol : float
        Error of the risk contributions.
    skip : sequence of str, default=()
        Methods to leave out.

    Returns
    -------
    rows : dict of str to tuple
        Steps, milliseconds of processor time, and the largest error, by method.
    """
    b, rows = np.full(n, 1.0 / n), {}
    matrices = [
        make_covariance(kind, n, np.random.default_rng(seed))
        for seed in range(n_matrices)
    ]
    for name, run in _methods(n).items():
        if name in skip:
            continue
        steps, spent, errors = [], [], []
        for S in matrices:
            asked = loosest(run, S, b, tol) if name.startswith("peer") else tol
            start = time.process_time()
            w, k = run(S, b, asked)
            spent.append(1e3 * (time.process_time() - start))
            steps.append(k)
            errors.append(error(S, w, b))
        rows[name] = statistics.median(steps), statistics.median(spent), max(errors)
    return rows


def main(argv=None):
    """Print one line for each kind, size and method."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.risk_parity", description=__doc__
    )
    parser.add_argument("--assets", nargs="+", type=int, default=[50, 200, 1000])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--matrices", type=int, default=5)
    parser.add_argument("--tol", type=float, default=1e-6)
    parser.add_argument("--skip", nargs="+", default=[])
    options = parser.parse_args(argv)
    print(f"{'kind':10}{'assets':>7}  {'method':13}{'steps':>7}{'ms':>10}{'error':>10}")
    for kind in options.kinds:
        for n in options.assets:
            rows = measure(
                kind,
                n,
                n_matrices=options.matrices,
                tol=options.tol,
                skip=options.skip,
            )
            for name, (steps, spent, worst) in rows.items():
                line = (
                    f"{kind:10}{n:7}  {name:13}{steps:7.0f}{spent:10.2f}{worst:10.1e}"
                )
                print(line, flush=True)


if __name__ == "__main__":
    main()
