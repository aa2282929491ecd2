"""Rules of block coordinate descent on the problem types of their paper.

Run from the root of the repository::

    python -m benchmarks.block_rules
    python -m benchmarks.block_rules --problems least_squares --sizes 5 50 --limit 2

The problems are of the kinds of Nutini, Laradji and Schmidt, JMLR 23:131, 2022: least
squares, logistic and multi-class logistic regression on sparse columns of very unequal
size, label propagation on a lattice, and least squares with an l1 penalty. The data are
made here, after the description of such data in Nutini et al., ICML 2015: normal
elements, 1 added to make columns dependent, columns multiplied by normal numbers times
ten, and most elements dropped.

For each pair of rules the table says after how many updates, and after how many seconds
of processor time, the error of the objective was a thousandth and a millionth of that
at the start. The time is that of the updates alone: choice, formation of matrices when
they are first used, and step. ``-`` says that the limit came first, beside what was
reached.
"""

import argparse
import math
import time

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import spsolve

from skopt2._core.iterate import iterate
from skopt2.losses import get_loss
from skopt2.penalties import ElasticNet, get_penalty
from skopt2.solvers.block_coordinate_descent.block_engine import BlockEngine
from skopt2.solvers.block_coordinate_descent.graph_part import SparsePart
from skopt2.solvers.block_coordinate_descent.ruled_descent import full_engine
from skopt2.solvers.block_coordinate_descent.rules import PARTITIONS, BlockRules
from skopt2.solvers.problem import LinearProblem
from skopt2.solvers.working_set import WorkingSetNewton

GOALS = (1e-3, 1e-6)


def design(rng, n, p):
    """Return columns of very unequal size that share samples, as a dense array."""
    X = (rng.standard_normal((n, p)) + 1.0) * (10.0 * rng.standard_normal(p))
    return np.where(rng.random((n, p)) < 10.0 * math.log(n) / n, X, 0.0)


class Linear:
    """A linear model with a penalty."""

    def __init__(self, X, y, loss, penalty, level):
        self.X, self.y, self.loss = X, y, loss
        self.penalty, self.level = penalty, level

    def problem(self):
        lam = np.full(self.X.shape[1], self.level)
        loss, penalty = get_loss(self.loss), get_penalty(self.penalty)
        return LinearProblem(self.X, self.y, loss, penalty, lam, None, False)

    def engine(self, rules):
        return full_engine(self.problem(), rules)

    def objective(self, x):
        problem, K = self.problem(), 1 if self.y.ndim == 1 else self.y.shape[1]
        w = x if K == 1 else x.reshape(-1, K)
        return problem.loss_value(self.X @ w) + problem.penalty_value(w)

    def minimum(self):
        """Return the least objective, and the default solver's seconds to 1e-6."""
        start = time.process_time()
        solver = WorkingSetNewton(self.problem(), 1e-6)
        iterate(solver, solver.init(), tol=1e-6, max_iter=500)
        seconds = time.process_time() - start
        solver = WorkingSetNewton(self.problem(), 1e-13)
        result = iterate(solver, solver.init(), tol=1e-13, max_iter=20)
        return result.objective, seconds


class Lattice:
    """Label propagation between nodes of a lattice, some of them labelled."""

    def __init__(self, rng, side, n_labels):
        along = sp.diags_array(np.ones(side - 1), offsets=1)
        one = sp.eye_array(side)
        W = sp.csr_array(sp.kron(along, one) + sp.kron(one, along))
        W = sp.csr_array(W + W.T)
        known = np.zeros(side * side, dtype=bool)
        known[rng.choice(known.size, n_labels, replace=False)] = True
        L = sp.csr_array(sp.diags_array(W.sum(axis=1)) - W)
        self.A = sp.csr_array(L[~known][:, ~known])
        self.A.sort_indices()
        y = np.where(rng.random(n_labels) < 0.5, -1.0, 1.0)
        self.c = -(L[~known][:, known] @ y)

    def engine(self, rules):
        x = np.zeros(self.c.size)
        part = SparsePart(self.A, self.c, x)
        return BlockEngine(part, None, np.zeros(x.size), x, rules)

    def objective(self, x):
        return float(x @ (0.5 * (self.A @ x) - self.c))

    def minimum(self):
        start = time.process_time()
        x = spsolve(self.A.tocsc(), self.c)
        return self.objective(x), time.process_time() - start


def least_squares(rng, scale):
    """Return case A."""
    n, p = int(2000 * scale), int(1000 * scale)
    X = design(rng, n, p)
    y = X @ rng.standard_normal(p) + rng.standard_normal(n)
    return Linear(X, y, "squared", "l1", 0.0)


def logistic(rng, scale):
    """Return case B, with a ridge of 1 / n."""
    n, p = int(2000 * scale), int(1000 * scale)
    X = design(rng, n, p)
    y = np.sign(X @ rng.standard_normal(p))
    y[y == 0.0] = 1.0
    y *= np.where(rng.random(n) < 0.1, -1.0, 1.0)
    return Linear(X, y, "logistic", ElasticNet(0.0), 1.0 / n)


def multinomial(rng, scale, n_classes=20):
    """Return case C, with a ridge of 1 / n."""
    n, p = int(1000 * scale), int(100 * scale)
    X = design(rng, n, p)
    scores = 0.05 * X @ rng.standard_normal((p, n_classes))
    y = np.argmax(scores + rng.gumbel(size=scores.shape), axis=1)
    return Linear(X, np.eye(n_classes)[y], "multinomial", ElasticNet(0.0), 1.0 / n)


def propagation(rng, scale):
    """Return case D."""
    side = int(50 * math.sqrt(scale))
    return Lattice(rng, side, side * side // 25)


def l1_least_squares(rng, scale):
    """Return case E: more features than samples."""
    n, p = int(500 * scale), int(2000 * scale)
    X = design(rng, n, p)
    w = np.where(rng.random(p) < 0.02, rng.standard_normal(p), 0.0)
    y = X @ w + rng.standard_normal(n)
    return Linear(X, y, "squared", "l1", 0.005 * float(np.abs(X.T @ y).max()) / n)


PROBLEMS = {
    "least_squares": least_squares,
    "logistic": logistic,
    "multinomial": multinomial,
    "propagation": propagation,
    "l1_least_squares": l1_least_squares,
}
FIXED = ("cyclic", "random", "gs", "gsl", "gsd", "gsq")
VARIABLE = ("random", "gs", "gsl", "gsd", "gsq")


def run(case, rules, least, limit, most):
    """Return updates and seconds at each goal, NaN if not reached, and the error left.

    Parameters
    ----------
    case : Linear or Lattice
        The problem.
    rules : BlockRules
        The rules.
    least : float
        Least objective.
    limit : float
        Seconds.
    most : int
        Updates.
    """
    start = time.process_time()
    engine = case.engine(rules)
    seconds = time.process_time() - start
    first = case.objective(engine.x) - least
    reached = [[math.nan, math.nan] for _ in GOALS]
    count, look, error = 0, 1, 1.0
    while count < most and seconds < limit:
        start = time.process_time()
        for _ in range(look):
            engine.update()
        count += look
        seconds += time.process_time() - start
        error = (case.objective(engine.x) - least) / first
        for goal, record in zip(GOALS, reached, strict=True):
            if error <= goal and math.isnan(record[0]):
                record[:] = count, seconds
        if error <= GOALS[-1]:
            break
        # Looks cost time too, which is not counted: rarer ones later.
        look = max(1, count // 20)
    return reached, error


def finished(case, least, limit):
    """Return updates, seconds and error with the default rules and their finish."""
    start = time.process_time()
    engine = case.engine(BlockRules())
    count = 0
    while time.process_time() - start < limit:
        engine.sweep()
        count += engine.n_blocks
        if float(engine.distance().max()) <= 1e-12 * abs(least):
            break
    seconds = time.process_time() - start
    return count, seconds, engine.pattern.n_steps, case.objective(engine.x) - least


def choices(name, options):
    """Yield the rules to compare on a problem."""
    quadratic = name in ("least_squares", "propagation", "l1_least_squares")
    for update in options.updates:
        if update == "newton" and quadratic:
            # The matrix of a quadratic is its Hessian.
            continue
        for partition in options.partitions:
            if "forest" in partition and name != "propagation":
                continue
            for selection in VARIABLE if partition.startswith("v") else FIXED:
                if (partition, selection) != ("variable forest", "gsq"):
                    yield partition, selection, update


def table(name, size, options):
    """Print the rows of one problem and one block size."""
    case = PROBLEMS[name](np.random.default_rng(0), options.scale)
    limit = options.limit
    least, seconds = case.minimum()
    print(f"\n{name}, blocks of {size}")
    reference = "sparse direct" if name == "propagation" else "default solver"
    print(f"{reference}: {seconds:.3f} s")
    for choice in choices(name, options):
        rules = BlockRules(*choice, size, finish=False, random_state=0)
        reached, error = run(case, rules, least, limit, options.most)
        cells = [
            f"{'-':>7s} {'-':>8s}" if math.isnan(count) else f"{count:7d} {used:8.3f}"
            for count, used in reached
        ]
        left = "" if error <= GOALS[-1] else f"  left {error:.0e}"
        partition, selection, update = choice
        print(f"{update:9s} {partition:16s} {selection:7s}", *cells, left, flush=True)
    if name != "propagation":
        count, seconds, steps, error = finished(case, least, 5 * limit)
        print(
            f"variable gsd newton with finish: {count} updates and {steps} Newton "
            f"steps, {seconds:.3f} s, error {error:.1e}"
        )


def main(arguments=None):
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", nargs="+", default=list(PROBLEMS))
    parser.add_argument("--sizes", nargs="+", type=int, default=[5, 50, 100])
    parser.add_argument("--limit", type=float, default=5.0, help="seconds of one run")
    parser.add_argument("--most", type=int, default=20_000, help="updates of one run")
    parser.add_argument("--scale", type=float, default=1.0, help="of the problems")
    parser.add_argument("--partitions", nargs="+", default=list(PARTITIONS))
    parser.add_argument(
        "--updates", nargs="+", default=["gradient", "matrix", "newton"]
    )
    options = parser.parse_args(arguments)
    print("updates and seconds to errors of", *GOALS, "of that at the start")
    for name in options.problems:
        for size in options.sizes:
            table(name, size, options)


if __name__ == "__main__":
    main()
