"""The block methods of the papers beside the solvers of this package.

Run from the root of the repository::

    python -m benchmarks.block_solvers --data DIR

Every solver is run to certificates of 1e-4 and of 1e-6: the relative duality gap of
convex problems, the relative violation of the optimality conditions under MCP. Columns
are processor seconds, the smallest of two runs, and passes, readings of all entries of
X by a product. ``newton``, the default, keeps Gram matrices and makes no such products
in its inner loop; its passes are not counted.

Designs: ``wide`` is 2000 x 5000 and ``tall`` 20000 x 200, autoregressive with
correlation 0.6 between neighbours; ``sparse`` is 10000 x 20000 with one entry in a
thousand. With ``--data``, the directory of ``gene_golub.csv.gz`` (72 x 7129, its last
column the class) and of ``libsvm_a9a.t.gz`` (16281 x 123, sparse): cases whose file is
absent are left out. The level is a fraction of the smallest that leaves no feature.
``--width`` sets the columns of a block of the block methods, and ``--rates`` prints the
errors of A-CODER and P-CCD cycle by cycle beside what their theorems promise.
"""

import argparse
import gzip
import json
import math
import time
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from sklearn.datasets import load_svmlight_file
from sklearn.exceptions import ConvergenceWarning

from skopt2.datasets import make_sparse_regression
from skopt2.linear_model import SparseClassifier, SparseRegressor
from skopt2.losses import Squared
from skopt2.penalties import get_penalty
from skopt2.solvers.block_method import BlockMethod
from skopt2.solvers.column_blocks import ColumnBlocks
from skopt2.solvers.composite import CompositeModel
from skopt2.solvers.cyclic_descent import CyclicDescent
from skopt2.solvers.cyclic_dual_averaging import CyclicDualAveraging
from skopt2.solvers.design import Design
from skopt2.solvers.problem import LinearProblem
from skopt2.solvers.working_set import WorkingSetNewton

SOLVERS = ("newton", "proxgrad", "ag", "p-ccd", "vro-ccd", "a-coder", "vr-a-coder")
TARGETS = (1e-4, 1e-6)


@dataclass(frozen=True)
class Case:
    """One problem.

    Attributes
    ----------
    design : str
        Where X comes from.
    model : {"lasso", "elastic net", "l1 logistic", "MCP logistic"}
        What is fitted.
    fraction : float
        Level relative to the largest useful one.
    """

    design: str
    model: str
    fraction: float

    @property
    def name(self):
        """One line that says which."""
        return f"{self.model}, {self.design}, {self.fraction:g}"

    @property
    def estimator(self):
        """Estimator of the model, without a level."""
        loss, penalty = {
            "lasso": ("squared", "l1"),
            "elastic net": ("squared", "elasticnet"),
            "l1 logistic": ("logistic", "l1"),
            "MCP logistic": ("logistic", "mcp"),
        }[self.model]
        kind = SparseRegressor if loss == "squared" else SparseClassifier
        return kind(loss, penalty)


CASES = (
    *(
        Case(design, model, fraction)
        for design in ("wide", "tall", "sparse")
        for model, fraction in (
            ("lasso", 0.1),
            ("lasso", 0.03),
            ("elastic net", 0.05),
            ("l1 logistic", 0.05),
            ("MCP logistic", 0.3),
        )
    ),
    *(
        Case(design, model, fraction)
        for design, level in (("golub", 0.6), ("a9a", 0.3))
        for model, fraction in (("l1 logistic", 0.05), ("MCP logistic", level))
    ),
)


def load(name, folder):
    """Return X and y of a design; y are numbers, whose signs are classes.

    Parameters
    ----------
    name : str
        See the module.
    folder : Path or None
        Where the files are.

    Returns
    -------
    X : ndarray or csc_array of shape (n, p)
        Dense columns are standardised.
    y : ndarray of shape (n,)
        None if the file is absent.
    """
    if name in ("wide", "tall"):
        n, p = (2000, 5000) if name == "wide" else (20000, 200)
        X, y, _ = make_sparse_regression(
            n, p, n_informative=p // 50, rho=0.6, snr=3.0, random_state=0
        )
        return X, y
    if name == "sparse":
        rng = np.random.default_rng(0)
        X = sp.random_array((10000, 20000), density=1e-3, format="csc", rng=rng)
        w = np.zeros(20000)
        w[rng.choice(20000, 200, replace=False)] = rng.standard_normal(200)
        eta = X @ w
        return X, eta + 0.3 * eta.std() * rng.standard_normal(10000)
    file = {"golub": "gene_golub.csv.gz", "a9a": "libsvm_a9a.t.gz"}[name]
    if folder is None or not (folder / file).exists():
        return None, None
    if name == "a9a":
        with gzip.open(folder / file) as stream:
            X, y = load_svmlight_file(stream)
        return sp.csc_array(X), y
    with gzip.open(folder / file, "rt") as stream:
        lines = [line.strip().split(",") for line in stream if line.strip()]
    X = np.array([[float(x) for x in row[:-1]] for row in lines])
    y = np.unique([row[-1] for row in lines], return_inverse=True)[1]
    scale = X.std(axis=0)
    X = (X - X.mean(axis=0))[:, scale > 0] / scale[scale > 0]
    return X, np.where(y == 0, -1.0, 1.0)


@contextmanager
def counted():
    """Count readings of X by the solvers that do not count them; yields a list."""
    reads, kept = [0.0], {}

    def watch(owner, name, share):
        original = kept[owner, name] = getattr(owner, name)

        def product(self, *arguments):
            reads[0] += share(self, *arguments)
            return original(self, *arguments)

        setattr(owner, name, product)

    def columns(model, _):
        return model.m / model.problem.design.p

    watch(CompositeModel, "_times", columns)
    watch(CompositeModel, "_adjoint", columns)
    watch(Design, "gradient", lambda design, v: 1.0)
    try:
        yield reads
    finally:
        for (owner, name), original in kept.items():
            setattr(owner, name, original)


def run(model, X, y, limit):
    """Fit once; returns seconds, passes, and the fitted model."""
    with counted() as reads, warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        start = time.process_time()
        model.set_params(time_limit=limit).fit(X, y)
        seconds = time.process_time() - start
    passes = model.history_["passes"][-1] if "passes" in model.history_ else reads[0]
    return seconds, math.nan if model.solver == "newton" else float(passes), model


def measure(case, X, y, solvers, limit):
    """Return one row per solver.

    Parameters
    ----------
    case : Case
        The problem.
    X, y : array
        Its data.
    solvers : sequence of str
        Which.
    limit : float
        Seconds after which a fit is given up.

    Returns
    -------
    rows : list of dict
        ``case``, ``solver``, and for every target seconds, passes, objective; None
        where it was not reached.
    """
    model = case.estimator
    if isinstance(model, SparseClassifier):
        y = np.where(y > 0, 1, 0)
    # The gradient of the null model is that of the squared loss up to its sign.
    top = float(np.abs(X.T @ (y - y.mean())).max()) / len(y)
    top /= 0.5 if case.model == "elastic net" else 1.0
    model.set_params(alpha=case.fraction * top)
    rows = []
    for solver in solvers:
        model.set_params(solver=solver, random_state=0, max_iter=100000)
        row = {"case": case.name, "solver": solver}
        try:
            for target in TARGETS:
                model.set_params(tol=target)
                fits = [run(model, X, y, limit)]
                if fits[0][2].converged_ and fits[0][0] < 0.3 * limit:
                    fits.append(run(model, X, y, limit))
                seconds, passes, _ = min(fits, key=lambda fit: fit[0])
                reached = model.converged_
                figures = (seconds, passes, float(model.objective_))
                row[f"{target:.0e}"] = figures if reached else None
                if not reached:
                    break
        except ValueError:
            continue
        rows.append(row)
    return rows


def show(row):
    """Return one line of the table."""
    line = f"{row['case']:28s} {row['solver']:11s}"
    for target in TARGETS:
        figures = row.get(f"{target:.0e}")
        if figures is None:
            line += f"{'-':>9s}{'-':>8s}"
            continue
        seconds, passes, objective = figures
        line += f"{seconds:9.3f}" + (
            f"{'':8s}" if math.isnan(passes) else f"{passes:8.0f}"
        )
    return line + (f"  {objective:.6f}" if figures is not None else "")


def chain_problem(penalty, fraction):
    """Return the hard quadratic, a chain of 200 tied at one end, as a sparse model."""
    p = 200
    X = math.sqrt(p) * (np.eye(p) - np.eye(p, k=-1))
    y = math.sqrt(p) * np.eye(p)[0]
    top = float(np.abs(X.T @ y).max()) / p
    level = np.full(p, fraction * top)
    return LinearProblem(X, y, Squared(), get_penalty(penalty), level, None, False)


def averages_rate(penalty, fraction, cycles=1000):
    """Return the errors of A-CODER after each cycle, and their bounds."""
    problem = chain_problem(penalty, fraction)
    best = WorkingSetNewton(problem, 1e-13)
    state = best.init()
    for _ in range(30):
        state = best.step(state)
    solution, minimum = best.finalize(state), best.certificate(state).objective
    w = np.zeros(200)
    w[solution.ids] = solution.w
    solver, model = CyclicDualAveraging(problem, 1e-9), CompositeModel(problem)
    blocks, lam = ColumnBlocks(model, 1.0, 10), problem.lam
    mu, square = blocks.convexity(lam), float(blocks.square(w, np.zeros(())))
    run = solver.start(model.at(np.zeros(200), np.zeros(())))
    errors = []
    for _ in range(cycles):
        run, _ = solver.advance(blocks, run, lam, mu)
        errors.append((model.objective(run.y, lam) - minimum, 0.5 * square / run.A))
    return errors


def descent_rate(penalty, fraction, cycles=1000):
    """Return the shortest squared moves of P-CCD so far, and their bounds."""
    problem = chain_problem(penalty, fraction)
    solver, model = CyclicDescent(problem, 1e-9), CompositeModel(problem)
    blocks, lam = ColumnBlocks(model, 1.0, 10), problem.lam
    end = model.at(np.zeros(200), np.zeros(()))
    first, shortest, moves = model.objective(end, lam), math.inf, []
    for _ in range(cycles):
        new, _ = solver.advance(blocks, end, lam)
        move = float(blocks.square(new.w - end.w, np.zeros(())))
        shortest, end = min(shortest, move), new
        moves.append(shortest)
    fall = first - model.objective(end, lam)
    return [(move, 2.0 * fall / k) for k, move in enumerate(moves, 1)]


def show_rates():
    """Print the errors of both methods beside their bounds."""
    curves = {
        "A-CODER, lasso": averages_rate("l1", 1e-4),
        "A-CODER, elastic net": averages_rate("elasticnet", 0.05),
        "P-CCD, MCP": descent_rate("mcp", 1e-2),
    }
    for name, curve in curves.items():
        print(name)
        for k in (1, 10, 30, 100, 300, 1000):
            error, bound = curve[k - 1]
            print(f"{k:8d}{error:12.2e}{bound:12.2e}")


def main(arguments=None):
    """Run the cases that were asked for and print their table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--designs", nargs="+", default=None)
    parser.add_argument("--models", nargs="+", default=None)
    parser.add_argument("--solvers", nargs="+", default=SOLVERS)
    parser.add_argument("--limit", type=float, default=60.0)
    parser.add_argument("--width", type=int, default=None, help="columns of a block")
    parser.add_argument("--json", type=Path, default=None)
    parser.add_argument("--rates", action="store_true")
    options = parser.parse_args(arguments)
    if options.rates:
        show_rates()
        return
    BlockMethod.width = options.width
    heads = "".join(f"{f'{target:.0e} s':>9s}{'passes':>8s}" for target in TARGETS)
    print(f"{'':28s} {'solver':11s}{heads}  objective")
    rows, last = [], None
    for case in CASES:
        if options.designs is not None and case.design not in options.designs:
            continue
        if options.models is not None and case.model not in options.models:
            continue
        if last is None or last[0] != case.design:
            last = (case.design, *load(case.design, options.data))
        if last[2] is None:
            continue
        for row in measure(case, *last[1:], options.solvers, options.limit):
            rows.append(row)
            print(show(row), flush=True)
    if options.json is not None:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
