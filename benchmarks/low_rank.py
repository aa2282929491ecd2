"""Matrix completion beside other imputers, and the claims of the papers as counts.

Run from the root of the repository::

    python -m benchmarks.low_rank --parts tables convex condition rank robust cost

The tables of the user guide. Times are seconds of processor time on one core.

- ``tables``: a quarter of the entries is removed, and the root mean square error there
  is given in standard deviations of the columns. Real tables are those of scikit-learn,
  and with ``--data DIR`` those of UCI; generated ones are of rank 5 with noise, with
  entries missing at random, or more often where the matrix is large ("not at random")
  or by rows and columns of different intensity. Methods: ``MatrixCompleter`` with its
  defaults and with ``rank="auto"``; ``SimpleImputer`` (means), ``KNNImputer`` and
  ``IterativeImputer`` of scikit-learn (up to 60 features); ``soft-impute``, the
  proximal iterations of Mazumder, Hastie and Tibshirani written plainly below, with
  the same search for its level.
- ``convex``: one level, the same convex problem; time to a relative duality gap of 1e-4
  for ``MatrixCompleter`` and ``soft-impute``, which has none of its own.
- ``condition``: steps to a relative error of 1e-5, medians over five seeds.
- ``rank``: the same for Gaussian measurements, by the rank of the factors too.
- ``robust``: relative errors with gross errors in a tenth of the measurements.
- ``cost``: seconds of one sweep over sparse entries.
- ``outliers``: relative error of the matrix with gross errors.
- ``large``: 20000 x 5000 with a million entries.
"""

import argparse
import time
import warnings

import numpy as np
import scipy.sparse as sp
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

from benchmarks.low_rank_cases import (
    SoftImpute,
    low_rank,
    masked,
    real_tables,
    removed,
    soft_impute,
)
from skopt2.decomposition import MatrixCompleter
from skopt2.linear_model import LowRankRegressor
from skopt2.solvers.low_rank.alternating import AlternatingMinimisation
from skopt2.solvers.low_rank.entries import DenseEntries, SparseEntries
from skopt2.solvers.low_rank.entry_loss import EntryLoss
from skopt2.solvers.low_rank.measurements import Measurements
from skopt2.solvers.low_rank.problem import Completion, Factors, absolute_loss
from skopt2.solvers.low_rank.scaled_descent import ScaledDescent
from skopt2.solvers.low_rank.start import random_start, spectral_start

# Features up to which regressions are tried.
REGRESSIONS = 60


def imputers(p):
    """Return methods by name for tables of p features."""
    methods = {
        "MatrixCompleter": MatrixCompleter(random_state=0),
        'rank="auto"': MatrixCompleter("auto", random_state=0),
        "soft-impute": SoftImpute(),
        "means": SimpleImputer(keep_empty_features=True),
        "KNNImputer": KNNImputer(keep_empty_features=True),
    }
    if p <= REGRESSIONS:
        methods["IterativeImputer"] = IterativeImputer(keep_empty_features=True)
    return methods


def part_tables(folder):
    """Print the errors and the times of imputers."""
    rng = np.random.default_rng(0)
    cases = [(name, X, "random") for name, X in real_tables(folder)]
    noisy = low_rank(500, 100, 5, rng) + 0.3 * rng.standard_normal((500, 100))
    cases += [("rank 5", noisy, how) for how in ("random", "values", "margins")]
    for name, X, how in cases:
        X = X[:, X.std(axis=0) > 1e-9 * np.abs(X).max(axis=0)]
        missing = removed(X, how, rng)
        Z = np.where(missing, np.nan, X)
        print(f"{name}, missing by {how}: {X.shape[0]} x {X.shape[1]}")
        scale = np.nanstd(Z, axis=0)
        scale[scale == 0.0] = 1.0
        for method, imputer in imputers(X.shape[1]).items():
            start = time.process_time()
            found = imputer.fit_transform(Z)
            seconds = time.process_time() - start
            error = np.sqrt(np.mean(((found - X) / scale)[missing] ** 2))
            print(f"  {method:17s} {error:7.3f} {seconds:8.2f} s")


def part_convex(folder):
    """Print times to the same duality gap."""
    for n, p, share in ((300, 200, 0.5), (1000, 500, 0.5), (1000, 500, 0.2)):
        rng = np.random.default_rng(0)
        X = low_rank(n, p, 10, rng) + 0.3 * rng.standard_normal((n, p))
        X[rng.random(X.shape) > share] = np.nan
        alpha = 0.05
        level = alpha * np.count_nonzero(~np.isnan(X)) / np.sqrt(n * p)
        options = {"scale": False, "fit_intercept": False, "tol": 1e-4}
        start = time.process_time()
        model = MatrixCompleter(alpha=alpha, random_state=0, **options).fit(X)
        first = time.process_time() - start
        M = soft_impute(X, level, gap=1e-4)
        second = time.process_time() - start - first
        ours = model.row_factors_ @ model.components_
        apart = np.linalg.norm(ours - M) / np.linalg.norm(M)
        print(
            f"{n} x {p}, {share:.0%}: MatrixCompleter {first:.2f} s (gap "
            f"{model.certificate_.value:.0e}, rank {model.rank_}), soft-impute "
            f"{second:.2f} s, apart by {apart:.1e}"
        )


def steps_to(solver, state, M, goal=1e-5, most=2000):
    """Return the steps to a relative error, ``most`` where it is not reached.

    Parameters
    ----------
    solver : AlternatingMinimisation or ScaledDescent
        Of the problem.
    state : object
        Start.
    M : ndarray
        Planted matrix.
    goal : float, default=1e-5
        Relative error.
    most : int, default=2000
        Limit.
    """
    for count in range(1, most + 1):
        state = solver.step(state)
        found = state.model.U @ state.model.V.T
        if np.linalg.norm(found - M) <= goal * np.linalg.norm(M):
            return count
    return most


def part_condition(folder):
    """Print steps to a relative error by condition number."""
    solvers = {
        "altmin": (AlternatingMinimisation, {}, spectral_start),
        "scaledgd": (ScaledDescent, {}, random_start),
        "gd": (ScaledDescent, {"scaled": False}, random_start),
    }
    for condition in (1, 3, 10, 30, 100):
        print(f"condition number {condition:4d}:", end="")
        for name, (make, options, start) in solvers.items():
            counts = []
            for seed in range(5):
                rng = np.random.default_rng(seed)
                M = low_rank(200, 150, 3, rng, condition)
                entries = masked(M, 0.4, rng)
                problem = Completion(entries, 0.0, EntryLoss(), False, False)
                solver = make(problem, **options)
                begin = solver.start(start(problem, 3, seed))
                counts.append(steps_to(solver, begin, M))
            print(f"  {name} {np.median(counts):.0f}", end="")
        print()


def sensing(n, condition, seed, wrong=0.0):
    """Return Gaussian measurements of a 30 x 30 matrix of rank 2.

    Parameters
    ----------
    n : int
        Measurements.
    condition : float
        Ratio of its singular values.
    seed : int
        Of the draw.
    wrong : float, default=0.0
        Share of measurements with gross errors.

    Returns
    -------
    X, y, M : ndarray
        Shapes (n, 900), (n,) and (30, 30).
    """
    rng = np.random.default_rng(seed)
    M = low_rank(30, 30, 2, rng, condition)
    X = rng.standard_normal((n, 900))
    y = X @ M.ravel()
    errors = 10.0 * y.std() * rng.standard_normal(n)
    return X, np.where(rng.random(n) < wrong, y + errors, y), M


def part_rank(folder):
    """Print steps to a relative error by condition number and rank, of measurements."""
    for rank in (2, 4, 8):
        for condition in (1, 10, 100):
            print(f"rank {rank}, condition number {condition:3d}:", end="")
            counts = {"scaledgd": [], "constant damping": [], "gd": []}
            for seed in range(3):
                X, y, M = sensing(900, condition, seed)
                entries = Measurements(X, y, (30, 30))
                problem = Completion(entries, 0.0, EntryLoss(), False, False)
                smallest = np.linalg.svd(M, compute_uv=False)[1]
                for name, solver in (
                    ("scaledgd", ScaledDescent(problem)),
                    # The paper asks for a small share of the least singular value.
                    ("constant damping", ScaledDescent(problem, constant=smallest)),
                    ("gd", ScaledDescent(problem, scaled=False)),
                ):
                    begin = solver.start(random_start(problem, rank, seed))
                    counts[name].append(steps_to(solver, begin, M, most=500))
            for name, values in counts.items():
                print(f"  {name} {np.median(values):.0f}", end="")
            print()


def part_robust(folder):
    """Print errors with gross errors in a tenth of the measurements, by rank."""
    for n in (300, 450, 900, 1500):
        print(f"{n} measurements:", end="")
        for loss, ranks in (("l1", (2, 5, 30)), ("squared", (2,))):
            for rank in ranks:
                errors = []
                for seed in range(3):
                    X, y, M = sensing(n, 2.0, seed, 0.1)
                    options = {"alpha": 0.0, "fit_intercept": False, "random_state": 0}
                    model = LowRankRegressor(rank, loss=loss, **options).fit(X, y)
                    left = np.linalg.norm(model.coef_matrix_ - M)
                    errors.append(left / np.linalg.norm(M))
                print(f"  {loss}, rank {rank}: {np.median(errors):.1e}", end="")
        print()


def part_cost(folder):
    """Print seconds of a sweep by the number of entries and the rank."""
    for count, k in [(250_000, 20), (500_000, 20), (1_000_000, 20)] + [
        (500_000, rank) for rank in (10, 40, 80)
    ]:
        n, p, rng = 10_000, 5_000, np.random.default_rng(0)
        i, j = rng.integers(0, n, count), rng.integers(0, p, count)
        X = sp.csr_array((np.ones(count), (i, j)), shape=(n, p))
        X.data = rng.standard_normal(X.data.size)
        problem = Completion(SparseEntries(X), 10.0, EntryLoss(), False, False)
        model = Factors(rng.random((n, k)), rng.random((p, k)), np.zeros(p))
        print(f"{X.nnz} entries, rank {k}:", end="")
        for name, exact in (("inexact", False), ("exact", True)):
            solver = AlternatingMinimisation(problem, exact)
            state = solver.step(solver.start(model))
            start = time.process_time()
            solver.step(state)
            print(f"  {name} {time.process_time() - start:.2f} s", end="")
        print()


def part_outliers(folder):
    """Print relative errors with gross errors in some entries."""
    for share in (0.0, 0.05, 0.1, 0.2):
        rng = np.random.default_rng(0)
        M = low_rank(200, 150, 3, rng)
        mask, wrong = rng.random(M.shape) < 0.5, rng.random(M.shape) < share
        X = np.where(wrong, M + 20.0 * rng.standard_normal(M.shape), M) * mask
        print(f"{share:.0%} gross errors:", end="")
        for name, loss, width in (
            ("squared", EntryLoss(), 0.0),
            ("l1", absolute_loss(1e-4), 1.0),
        ):
            entries = DenseEntries(X, mask.astype(float))
            problem = Completion(entries, 0.0, loss, False, False)
            solver = AlternatingMinimisation(problem)
            state = solver.start(spectral_start(problem, 3, 0), width)
            for _ in range(60):
                state = solver.step(state)
            found = state.model.U @ state.model.V.T
            error = np.linalg.norm(found - M) / np.linalg.norm(M)
            print(f"  {name} {error:.1e}", end="")
        print()


def part_large(folder):
    """Print the time and the error of a table of a recommender's size."""
    rng, (n, p, k, count) = np.random.default_rng(0), (20_000, 5_000, 10, 1_000_000)
    i, j = rng.integers(0, n, count), rng.integers(0, p, count)
    i, j = np.divmod(np.unique(i * p + j), p)
    U, V = rng.standard_normal((n, k)) / np.sqrt(k), rng.standard_normal((p, k))
    exact = np.einsum("ij,ij->i", U[i], V[j])
    x = 3.0 + exact + 0.3 * rng.standard_normal(i.size)
    test = rng.random(i.size) < 0.1
    X = sp.csr_array((x[~test], (i[~test], j[~test])), shape=(n, p))
    for options in ({"rank": 10}, {"rank": None, "alpha": 0.2}):
        model = MatrixCompleter(scale=False, random_state=0, **options)
        start = time.process_time()
        model.fit(X)
        seconds = time.process_time() - start
        error = model.predict_entries(i[test], j[test]) - x[test]
        print(
            f"{options}: {seconds:.1f} s, {model.n_iter_} sweeps, "
            f"{model.certificate_}, error {np.sqrt(np.mean(error**2)):.3f}"
        )


PARTS = {
    "tables": part_tables,
    "convex": part_convex,
    "condition": part_condition,
    "rank": part_rank,
    "robust": part_robust,
    "cost": part_cost,
    "outliers": part_outliers,
    "large": part_large,
}


def main(arguments=None):
    """Run the parts that are asked for.

    Parameters
    ----------
    arguments : list of str, default=None
        Command line; None for that of the process.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--data", help="folder of the real tables")
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")
    for part in options.parts:
        PARTS[part](options.data)


if __name__ == "__main__":
    main()
