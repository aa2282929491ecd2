"""Streaming models beside scikit-learn's SGD: the tables of the user guide.

Run from the root of the repository::

    python -m benchmarks.streaming --data DIR
    python -m benchmarks.streaming --cases held-out --data DIR
    python -m benchmarks.streaming --cases a9a protein --data DIR

For each case of :mod:`benchmarks.streaming_cases`: how far the objective is above the
minimum after 1, 3 and 10 passes over the data, as a share of how far the null model is,
(F - F*) / (F_0 - F*). F* is from the default solver of :class:`SparseRegressor` and
:class:`SparseClassifier`. Every rule of this package runs with its defaults; ``linear``
and ``refined``, which are told when they end, run once for each number of passes.
Beside them:

- ``sgd default``: ``SGDClassifier`` and ``SGDRegressor`` of scikit-learn as they are;
- ``sgd tuned``: the best of 32 settings *for each number of passes*, found by looking
  at the answer: ``eta0`` from 1e-6 to 10, constant or inverse scaling, averaged or not;
- ``+ scaler``: the same after ``StandardScaler``, with its coefficients brought back to
  the columns as they are.

All minimise the mean loss plus ``alpha`` times the l1 norm, with a free intercept. With
more than two classes the loss is multinomial, which scikit-learn's SGD does not have.
``--cases`` takes names, ``seen`` (where constants of the rules were chosen) and
``held-out`` (where none was). DIR holds ``libsvm_a9a.t.gz``, ``mnist_t10k-*``,
``gene_colon.csv.gz`` and ``uci_{protein,elevators,pol}_data.csv.gz``; their cases are
left out without it.

Times are processor seconds of 10 passes; use one thread (``OPENBLAS_NUM_THREADS=1``).
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from scipy.special import logsumexp
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.utils.multiclass import type_of_target

from benchmarks.streaming_cases import CASES, FILES, HELD_OUT, SEEN
from skopt2.linear_model import (
    SparseClassifier,
    SparseRegressor,
    StreamingLinearClassifier,
    StreamingLinearRegressor,
)

PASSES = (1, 3, 10)
STEPS = ("dog", "udog", "sania", "sps", "linear", "refined")
ALPHA = 1e-4
GROUPS = {"seen": list(SEEN), "held-out": list(HELD_OUT)}


class Problem:
    """Data, their objective and its minimum."""

    def __init__(self, X, y):
        self.X, self.y = X, y
        # How many; 0 in a regression.
        labels = np.unique(y)
        self.classes = 0 if type_of_target(y) == "continuous" else len(labels)
        if self.classes:
            solved = SparseClassifier(alpha=ALPHA, tol=1e-7, max_iter=3000).fit(X, y)
            shares = np.array([np.mean(y == label) for label in labels])
            b = np.log(shares) if self.classes > 2 else np.log(shares[1] / shares[0])
            self.codes = np.searchsorted(labels, y)
        else:
            solved = SparseRegressor(alpha=ALPHA, tol=1e-9, max_iter=3000).fit(X, y)
            b = y.mean()
        self.certificate = solved.certificate_
        self.best = self.objective(solved.coef_, solved.intercept_)
        self.null = self.objective(np.zeros_like(solved.coef_), b)

    def objective(self, coef, intercept):
        """Return the mean loss and the penalty."""
        penalty = ALPHA * np.abs(coef).sum()
        if self.classes > 2:
            eta = self.X @ coef.T + intercept
            own = eta[np.arange(len(eta)), self.codes]
            return np.mean(logsumexp(eta, axis=1) - own) + penalty
        eta = self.X @ np.ravel(coef) + float(np.ravel(intercept)[0])
        if self.classes:
            loss = np.logaddexp(0.0, -self.y * eta).mean()
        else:
            loss = 0.5 * np.mean((self.y - eta) ** 2)
        return loss + penalty

    def excess(self, coef, intercept):
        """Return how far the objective is from its minimum, relative."""
        with np.errstate(all="ignore"):
            value = self.objective(coef, intercept)
        return (value - self.best) / (self.null - self.best)


def run_rule(problem, step, **options):
    """Return the excess after each number of passes, and the seconds of all."""
    kind = StreamingLinearClassifier if problem.classes else StreamingLinearRegressor

    def model(passes):
        return kind(
            alpha=ALPHA,
            step=step,
            max_iter=passes,
            tol=1e-12,
            n_iter_no_change=1000,
            random_state=0,
            **options,
        )

    start = time.process_time()
    last = model(PASSES[-1]).fit(problem.X, problem.y)
    seconds = time.process_time() - start
    found = []
    for passes in PASSES:
        if step in ("linear", "refined"):
            fitted = last if passes == PASSES[-1] else model(passes)
            if passes != PASSES[-1]:
                fitted.fit(problem.X, problem.y)
            found.append(problem.excess(fitted.coef_, fitted.intercept_))
        else:
            values = last.history_["objective"]
            # Shorter where it diverged.
            value = values[passes - 1] if len(values) >= passes else np.inf
            found.append((value - problem.best) / (problem.null - problem.best))
    return found, seconds


def sgd(problem, **options):
    """Return scikit-learn's model of the same problem."""
    if problem.classes:
        return SGDClassifier(
            loss="log_loss", penalty="l1", alpha=ALPHA, random_state=0, **options
        )
    return SGDRegressor(penalty="l1", alpha=ALPHA, random_state=0, **options)


def run_sgd(problem, scaler=None, **options):
    """Return the excess after each number of passes, and the seconds of all."""
    X, y = problem.X, problem.y
    start = time.process_time()
    if scaler is not None:
        X = scaler.fit_transform(X)
    model, found, seconds = sgd(problem, **options), [], 0.0
    rng = np.random.default_rng(0)
    for done in range(1, PASSES[-1] + 1):
        order = rng.permutation(len(y))
        labels = {"classes": np.unique(y)} if problem.classes else {}
        try:
            with np.errstate(all="ignore"):
                model.partial_fit(X[order], y[order], **labels)
        except ValueError:
            # Overflow: as far as this step size is concerned, that is infinite.
            return found + [np.inf] * (len(PASSES) - len(found)), seconds
        if done in PASSES:
            seconds += time.process_time() - start
            coef, intercept = np.ravel(model.coef_), model.intercept_
            if scaler is not None:
                coef = coef / scaler.scale_
                if scaler.with_mean:
                    intercept = intercept - scaler.mean_ @ coef
            found.append(problem.excess(coef, intercept))
            start = time.process_time()
    return found, seconds


def tuned(problem, scaler=None):
    """Return the best of a grid, for each number of passes, and the seconds of all."""
    best, seconds = np.full(len(PASSES), np.inf), 0.0
    for eta0 in 10.0 ** np.arange(-6.0, 2.0):
        for rate in ("constant", "invscaling"):
            for average in (False, True):
                options = {"eta0": eta0, "learning_rate": rate, "average": average}
                if rate == "invscaling":
                    options["power_t"] = 0.5
                found, spent = run_sgd(problem, scaler, **options)
                best = np.fmin(best, found)
                seconds += spent
    return best, seconds


def line(name, found, seconds):
    """Print one row of the table."""
    figures = " ".join(f"{value:9.1e}" for value in found)
    print(f"  {name:<24} {figures} {seconds:9.2f}", flush=True)


def race(name, folder):
    """Print the table of a case."""
    problem = Problem(*CASES[name](folder))
    print(f"{name}: {problem.X.shape[0]} x {problem.X.shape[1]}")
    print(f"  F* {problem.best:.6g}, F_0 {problem.null:.6g}, {problem.certificate}")
    print(f"  {'rule':<24} {'1 pass':>9} {'3':>9} {'10':>9} {'seconds':>9}")
    for step in STEPS:
        line(step, *run_rule(problem, step))
    line("sps, momentum=0.9", *run_rule(problem, "sps", momentum=0.9))
    line("dog, not standardised", *run_rule(problem, "dog", standardize=False))
    if problem.classes > 2:
        return
    line("sgd default", *run_sgd(problem))
    line("sgd tuned", *tuned(problem))
    sparse = hasattr(problem.X, "nnz")
    scaler = StandardScaler(with_mean=not sparse)
    line("sgd tuned + scaler", *tuned(problem, scaler))


def main():
    """Read the arguments and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    names = [*GROUPS, *CASES]
    parser.add_argument("--cases", nargs="+", choices=names, default=list(GROUPS))
    parser.add_argument("--data", type=Path, default=None)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.simplefilter("ignore", RuntimeWarning)
    for choice in arguments.cases:
        for name in GROUPS.get(choice, [choice]):
            if name not in FILES or arguments.data is not None:
                race(name, arguments.data)


if __name__ == "__main__":
    main()
