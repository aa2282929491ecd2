"""How strongly many levels are pulled together: chosen on samples beside the folds.

With a level for each feature the loss of the folds is no judge of the levels any more:
it chose them. So the folds are dealt to a few blocks. The samples that the folds of a
block test are set aside; levels are searched for in the other folds, for one strength
of the pull after another, each from the levels before; the model of the rest of the
samples is judged on those set aside. Infinite strength is one level for all, so that
what many levels are worth is measured too.
"""

import math

import numpy as np

from skopt2._core.iterate import iterate
from skopt2.linear_model.cross_validation import Fold
from skopt2.solvers.bilevel.maid import Maid
from skopt2.solvers.bilevel.upper import Upper

# Strengths, from one level for all to nearly free levels.
STRENGTHS = (math.inf, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03)
BLOCKS = 3
# Without a block to set aside.
ALONE = 1.0
# Strengths are compared after a search that is good enough to tell them apart.
TOL, STEPS = 3e-3, 25
# Accuracy of the losses that are compared, relative.
ACCURACY = 1e-5


def blocks_of(folds, codes=None):
    """Return for each block its other folds, and the fold of what is set aside.

    Parameters
    ----------
    folds : list of Fold
        The splits.
    codes : ndarray of shape (n,), default=None
        Class numbers: blocks whose training parts lack a class are left out.

    Returns
    -------
    blocks : list of tuple
        Inner folds, and the outer one. Empty for a single split.
    """
    everything = np.unique(np.concatenate([np.r_[f.train, f.test] for f in folds]))
    blocks, n_blocks = [], min(BLOCKS, len(folds))
    for b in range(n_blocks if n_blocks > 1 else 0):
        aside = np.unique(np.concatenate([fold.test for fold in folds[b::n_blocks]]))
        inner = []
        for number, fold in enumerate(folds):
            train, test = (
                np.setdiff1d(fold.train, aside),
                np.setdiff1d(fold.test, aside),
            )
            if number % n_blocks != b and train.size and test.size:
                inner.append(Fold(number, train, test))
        outer = Fold(b, np.setdiff1d(everything, aside), aside)
        parts = [fold.train for fold in (*inner, outer)]
        if inner and all(_complete(codes, part) for part in parts):
            blocks.append((inner, outer))
    return blocks


def _complete(codes, rows):
    """Tell whether some rows have all the classes."""
    if codes is None:
        return rows.size > 0
    return np.unique(codes[rows]).size == np.unique(codes).size


def choose_shrinkage(problem, codes=None):
    """Return the strength, and the loss on samples set aside of each strength.

    Parameters
    ----------
    problem : HyperGradientProblem
        With several levels.
    codes : ndarray of shape (n,), default=None
        Class numbers.

    Returns
    -------
    strength : float
        The best; the stronger one of two that tie.
    losses : dict of float
        Mean loss for each strength; empty for a single split.
    """
    blocks = blocks_of(problem.folds, codes)
    if not blocks:
        return ALONE, {}
    table = np.array([_losses(problem, *block) for block in blocks])
    weights = np.array([outer.test.size for _, outer in blocks], dtype=np.float64)
    mean = weights @ table / weights.sum()
    chosen = STRENGTHS[int(np.argmin(mean))]
    return chosen, dict(zip(STRENGTHS, mean.tolist(), strict=True))


def _losses(problem, inner, outer):
    """Return the loss on the outer test samples for each strength."""
    search, levels = problem.search, problem.levels
    lowers = [problem.lower(fold) for fold in inner]
    judge = problem.lower(outer)
    theta = np.repeat(problem.single(lowers), levels.n)
    low, high = problem.box(levels)
    losses, tol = [], max(TOL, search.tol)
    for strength in STRENGTHS:
        if math.isfinite(strength):
            upper = Upper(lowers, levels, strength, problem.run)
            maid = Maid(upper, low, high, tol, search.accuracy, search.step_size)
            state = maid.init(theta)
            result = iterate(maid, state, tol=tol, max_iter=min(STEPS, search.max_iter))
            theta = result.solution[0]
        judge.levels = levels
        losses.append(judge.solve(theta, ACCURACY * abs(judge.null_excess())).value)
    return losses
