"""The rank or the level of a completion by entries that are held out."""

import numpy as np

from skopt2._core.array import to_numpy
from skopt2._core.iterate import iterate
from skopt2.decomposition.completion_options import completion_problem
from skopt2.solvers.low_rank.alternating import AlternatingMinimisation
from skopt2.solvers.low_rank.entries import SparseEntries
from skopt2.solvers.low_rank.scaled_descent import ScaledDescent
from skopt2.solvers.low_rank.start import random_start, spectral_start

# Fits of the search end at this certificate or after so many sweeps, and the search
# after so many ranks without a gain.
TOL, SWEEPS, PATIENCE = 3e-3, 40, 2
# Errors that are larger than the least by this share are as good: the simplest model of
# them is taken. Gains of less than the second share are none.
CLOSE, GAIN = 0.01, 1e-3
# Fewer held-out entries than this say nothing.
FEWEST = 5
# Levels at most, each this much lower than the one before.
LEVELS, FACTOR = 20, 0.6
# The level at which ranks are compared, and that of data without entries to hold out.
DEFAULT_LEVEL = 0.02
# The levels of a problem whose rank is bounded: the last are nearly those without a
# penalty, which needs more entries than factors in every row.
BOUNDED_LEVELS = (0.1, 0.05, 0.02, 0.01, 3e-3, 1e-3)
# Levels that need more directions are not tried for sparse matrices, for their time: a
# rank predicts better there.
DIRECTIONS = 64
# The convex problem starts from so few directions.
FIRST = 5


def completion_solver(estimator, problem):
    """Return the solver that the parameters name."""
    if estimator.solver == "scaledgd":
        return ScaledDescent(problem)
    return AlternatingMinimisation(problem)


def starting_model(estimator, problem, rank, seed):
    """Return the model that a solver starts from.

    Parameters
    ----------
    estimator : MatrixCompleter
        Checked.
    problem : Completion
        What to minimise.
    rank : int or None
        None for any rank.
    seed : int
        Of random numbers.
    """
    most = min(problem.entries.shape)
    if estimator.solver == "scaledgd":
        return random_start(problem, most if rank is None else rank, seed)
    return spectral_start(problem, min(FIRST, most) if rank is None else rank, seed)


def ranks_to_try(shape, count):
    """Return increasing ranks, as far as so many entries can tell their factors."""
    most = max(1, min(min(shape), count // sum(shape)))
    ranks, step = [], 1
    while not ranks or ranks[-1] < most:
        ranks.append(min((ranks[-1] if ranks else 0) + step, most))
        step = max(1, ranks[-1] // 4)
    return ranks


def searched(estimator, entries, seed):
    """Return what the estimator leaves to entries that a fit has not seen.

    Parameters
    ----------
    estimator : MatrixCompleter
        Checked.
    entries : DenseEntries or SparseEntries
        Centred and scaled.
    seed : int
        Of the choice of entries.

    Returns
    -------
    rank : int or None
        At least one; None for any rank.
    alpha : float
        Level.
    path : list of tuple
        Values that were tried, and their errors: mean squares, or mean absolute values
        with ``loss="l1"``, in units of the scales of columns.
    model : Factors or None
        Where to start the convex problem.
    """
    rank, alpha = estimator.rank, estimator.alpha
    by_level = isinstance(alpha, str)
    alpha = DEFAULT_LEVEL if by_level else float(alpha)
    if not by_level and not isinstance(rank, str):
        return rank, alpha, [], None
    count = int(entries.known(entries.ones()).size)
    held = int(count * float(estimator.validation_fraction))
    if held < FEWEST or min(entries.shape) == 1:
        return 1 if isinstance(rank, str) else rank, alpha, [], None
    rng = np.random.default_rng(seed)
    kept = np.ones(count, dtype=bool)
    kept[rng.choice(count, held, replace=False)] = False
    train, test = entries.masked(kept), entries.masked(~kept)
    if rank is None:
        return None, *_held_out_level(estimator, train, test, seed)
    path = []
    if isinstance(rank, str):
        rank, path = _held_out_rank(estimator, alpha, train, test, seed)
    if by_level:
        alpha, levels = _held_out_bounded_level(estimator, rank, train, test, seed)
        path = path or levels
    return rank, alpha, path, None


def _held_out_rank(estimator, alpha, train, test, seed):
    """Return the rank with the least error, and all that were tried."""
    problem, width = completion_problem(estimator, train, alpha)
    count = int(train.known(train.ones()).size)
    path, late = [], 0
    for rank in ranks_to_try(train.shape, count):
        solver = completion_solver(estimator, problem)
        start = solver.start(starting_model(estimator, problem, rank, seed), width)
        model = iterate(solver, start, tol=TOL, max_iter=SWEEPS).solution
        late = _tried(path, late, rank, _error(estimator, problem, model, test))
        if late >= PATIENCE:
            break
    return path[_simplest(path)][0], path


def _held_out_bounded_level(estimator, rank, train, test, seed):
    """Return the level of a given rank with the least error, and all tried."""
    path, late, model = [], 0, None
    for alpha in BOUNDED_LEVELS:
        problem, width = completion_problem(estimator, train, alpha)
        solver = completion_solver(estimator, problem)
        if model is None:
            model = starting_model(estimator, problem, rank, seed)
        start = solver.start(model, width)
        model = iterate(solver, start, tol=TOL, max_iter=SWEEPS).solution
        late = _tried(path, late, alpha, _error(estimator, problem, model, test))
        if late >= PATIENCE:
            break
    return path[_simplest(path)][0], path


def _held_out_level(estimator, train, test, seed):
    """Return the level with the least error, all that were tried, and its model."""
    problem, width = completion_problem(estimator, train, 1.0, convex=True)
    top = problem.critical_level() / problem.level
    if not top > 0.0:
        return DEFAULT_LEVEL, [], None
    path, models, late = [], [], 0
    for power in range(1, LEVELS + 1):
        alpha = top * FACTOR**power
        problem, width = completion_problem(estimator, train, alpha, convex=True)
        solver = completion_solver(estimator, problem)
        model = models[-1] if models else starting_model(estimator, problem, None, seed)
        start = solver.start(model, width)
        models.append(iterate(solver, start, tol=TOL, max_iter=SWEEPS).solution)
        if path and models[-1].rank > DIRECTIONS and isinstance(train, SparseEntries):
            break
        late = _tried(path, late, alpha, _error(estimator, problem, models[-1], test))
        if late >= PATIENCE:
            break
    chosen = _simplest(path)
    return path[chosen][0], path, models[chosen]


def _tried(path, late, value, error):
    """Put a value on the path; return how many in a row have gained nothing."""
    least = min((lost for _, lost in path), default=np.inf)
    path.append((value, error))
    return 0 if error < (1.0 - GAIN) * least else late + 1


def _simplest(path):
    """Return the place of the first value whose error is near the least."""
    enough = (1.0 + CLOSE) * min(lost for _, lost in path)
    return next(i for i, (_, lost) in enumerate(path) if lost <= enough)


def _error(estimator, problem, model, test):
    """Return the error of a model at other entries."""
    left = np.asarray(to_numpy(test.known(_residual(test, problem, model))))
    left = left.astype(np.float64)
    return float((np.abs(left) if estimator.loss == "l1" else left**2).mean())


def _residual(test, problem, model):
    """Return the residuals of a model at other entries."""
    left = test.X - test.forward(model.U, model.V)
    return left - test.shift(model.b) if problem.intercept else left
