"""Solvers of fractional problems side by side: the tables of the user guide.

Run from the root of the repository::

    python -m benchmarks.fractional

Every method starts from the same points, drawn with a fixed seed, and runs until no
coordinate can gain more than ``--tol`` of the ratio or its processor time is spent.
Columns: the mean excess over the least ratio that any method found from any start of
the same data, in per cent; the share of the runs that came within 1e-4 of it; and the
median milliseconds of processor time.

Solvers:

- ``FCD``, ``PCD``: sweeps in random order over all coordinates, proximal weight 1e-6,
  as published;
- ``FCD active``: with working sets and a search along the ray, the default of the
  package;
- ``PGSA``: proximal gradient-subgradient steps, and ``PGSA x10`` the best of ten starts
  that share the time; ``Dinkelbach``: 50 of them for each parameter and subgradient.

With ``--escapes`` another table has, for the points at which PGSA ends, the share from
which FCD goes on to a ratio that is lower by more than 1e-4 of itself, and the mean
gain.

Problems, numerator over denominator, all with an l1 term but the Rayleigh quotient:

- ``sparse PCA``: 1/2 + 1/2 x'x over the norm of Ax;
- ``l1 PCA``: the same over the l1 norm of Ax;
- ``recovery top-k`` and ``recovery l2``: least squares with few rows over the sum of
  the k largest absolute values, and over the norm of x;
- ``Rayleigh``: x'Bx over x'Ax;
- ``total least squares``: least squares over 1/2 + 1/2 x'x.
"""

import argparse
import time

import numpy as np

from skopt2.solvers.fractional.denominators import (
    AbsoluteSum,
    Quadratic,
    RootQuadratic,
    TopSum,
)
from skopt2.solvers.fractional.forms import LeastSquares, Ridge
from skopt2.solvers.fractional.fractional_descent import FractionalDescent
from skopt2.solvers.fractional.gradient_subgradient import GradientSubgradient
from skopt2.solvers.fractional.parametric_descent import ParametricDescent
from skopt2.solvers.fractional.problem import FractionalProblem

PROBLEMS = (
    "sparse PCA",
    "l1 PCA",
    "recovery top-k",
    "recovery l2",
    "Rayleigh",
    "total least squares",
)
PLAIN = {"selection": "random", "rescale": False, "theta": 1e-6}
METHODS = {
    "FCD": lambda problem: FractionalDescent(problem, **PLAIN),
    "PCD": lambda problem: ParametricDescent(problem, **PLAIN),
    "FCD active": FractionalDescent,
    "PGSA": lambda problem: GradientSubgradient(problem, rescale=False),
    "PGSA x10": lambda problem: GradientSubgradient(problem, rescale=False),
    "Dinkelbach": lambda problem: GradientSubgradient(problem, inner=50, rescale=False),
}


def make_problem(kind, rng, p=100):
    """Return a fractional problem.

    Parameters
    ----------
    kind : str
        Of :data:`PROBLEMS`.
    rng : numpy.random.Generator
        Draws the data.
    p : int, default=100
        Coordinates; multiples of 20.

    Returns
    -------
    problem : FractionalProblem
        With a positive denominator almost everywhere.
    """
    k = p // 20
    signal = np.zeros(p)
    signal[rng.choice(p, k, replace=False)] = rng.choice([-1.0, 1.0], k) * rng.uniform(
        1.0, 3.0, k
    )
    if kind in ("sparse PCA", "l1 PCA"):
        A = rng.standard_normal((p // 2, p))
        A += rng.standard_normal((p // 2, 1)) * (signal != 0.0)
        A /= np.sqrt(p // 2)
        if kind == "sparse PCA":
            return FractionalProblem(Ridge(p), 0.4, RootQuadratic(LeastSquares(A)))
        return FractionalProblem(Ridge(p), 0.2, AbsoluteSum(A))
    if kind == "Rayleigh":
        A, B = rng.standard_normal((p, p)), rng.standard_normal((2 * p, p))
        return FractionalProblem(LeastSquares(B), 0.0, Quadratic(LeastSquares(A)))
    n = 2 * p if kind == "total least squares" else p // 2
    M = rng.standard_normal((n, p)) / np.sqrt(n)
    numerator = LeastSquares(M, M @ signal + 0.05 * rng.standard_normal(n))
    if kind == "recovery top-k":
        return FractionalProblem(numerator, 0.1, TopSum(k))
    if kind == "recovery l2":
        return FractionalProblem(numerator, 0.1, RootQuadratic(Ridge(p, 0.0)))
    return FractionalProblem(numerator, 0.1, Quadratic(Ridge(p)))


def run(solver, x, seconds, tol):
    """Return the state that a method reaches, and its processor time in seconds.

    Parameters
    ----------
    solver : solver
        Of one problem.
    x : ndarray of shape (p,)
        Where it starts.
    seconds : float
        Processor time after which it ends.
    tol : float
        Gain of a coordinate that ends it.
    """
    start = time.process_time()
    state = solver.init(x)
    while True:
        spent = time.process_time() - start
        measure = solver.certificate(state)
        if measure.value <= tol or measure.stalled or spent > seconds:
            return state, spent
        state = solver.step(state)


def measure(kind, *, p, n_problems, n_starts, seconds, tol, methods=tuple(METHODS)):
    """Return excess, share of best runs and time of every method.

    Parameters
    ----------
    kind : str
        Of :data:`PROBLEMS`.
    p : int
        Coordinates.
    n_problems, n_starts : int
        Data sets, and starts for each.
    seconds, tol : float
        As for :func:`run`.
    methods : sequence of str
        Of :data:`METHODS`.

    Returns
    -------
    rows : dict of str to tuple
        Mean relative excess, share within 1e-4 of the best, median seconds.
    """
    ratios = np.zeros((len(methods), n_problems, n_starts))
    spent = np.zeros_like(ratios)
    for i in range(n_problems):
        problem = make_problem(kind, np.random.default_rng(i), p)
        for j in range(n_starts):
            X = np.random.default_rng([i, j]).standard_normal((10, p))
            for k, name in enumerate(methods):
                solver = METHODS[name](problem)
                used = X if name.endswith("x10") else X[:1]
                runs = [run(solver, x, seconds / len(used), tol) for x in used]
                ratios[k, i, j] = min(state.ratio for state, _ in runs)
                spent[k, i, j] = sum(once for _, once in runs)
    best = ratios.min(axis=(0, 2))[None, :, None]
    excess = ratios / best - 1.0
    return {
        name: (
            float(excess[k].mean()),
            float((excess[k] <= 1e-4).mean()),
            float(np.median(spent[k])),
        )
        for k, name in enumerate(methods)
    }


def escapes(kind, *, p, n_problems, n_starts, seconds, tol):
    """Return how often, and how far, FCD goes on from where PGSA ends.

    Parameters
    ----------
    kind, p, n_problems, n_starts, seconds, tol : str, int, int, int, float, float
        As for :func:`measure`.

    Returns
    -------
    share, gain : float
        Share of the ends from which the ratio falls by more than 1e-4 of itself, and
        the mean relative fall.
    """
    gains = []
    for i in range(n_problems):
        problem = make_problem(kind, np.random.default_rng(i), p)
        for j in range(n_starts):
            x = np.random.default_rng([i, j]).standard_normal(p)
            end, _ = run(METHODS["PGSA"](problem), x, seconds, tol)
            on, _ = run(METHODS["FCD"](problem), end.x, seconds, tol)
            gains.append(1.0 - on.ratio / end.ratio)
    return float(np.mean(np.array(gains) > 1e-4)), float(np.mean(gains))


def main(argv=None):
    """Print one line for each problem and method."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fractional", description=__doc__
    )
    parser.add_argument(
        "--problems", nargs="+", choices=PROBLEMS, default=list(PROBLEMS)
    )
    parser.add_argument("--coordinates", type=int, default=100)
    parser.add_argument("--data", type=int, default=5)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--tol", type=float, default=1e-9)
    parser.add_argument("--escapes", action="store_true", help="FCD from PGSA's ends")
    options = parser.parse_args(argv)
    shared = {
        "p": options.coordinates,
        "n_problems": options.data,
        "n_starts": options.starts,
        "seconds": options.seconds,
        "tol": options.tol,
    }
    if options.escapes:
        print(f"{'problem':21}{'escapes':>8}{'gain %':>9}")
        for kind in options.problems:
            share, gain = escapes(kind, **shared)
            print(f"{kind:21}{share:8.2f}{1e2 * gain:9.3f}", flush=True)
        return
    print(f"{'problem':21}{'method':12}{'excess %':>10}{'best':>7}{'ms':>9}")
    for kind in options.problems:
        rows = measure(kind, **shared)
        for name, (excess, share, spent) in rows.items():
            line = (
                f"{kind:21}{name:12}{1e2 * excess:10.3f}{share:7.2f}{1e3 * spent:9.1f}"
            )
            print(line, flush=True)


if __name__ == "__main__":
    main()
