"""Block coordinate descent with greedy rules, for linear models with a penalty.

Problem: min F(w, b) of :mod:`skopt2.solvers.problem`.

The outer loop of levels, working sets and certificates is that of the first-order
methods; the blocks are those of a working set, which for few features is all of them.
The flat coordinates of a working set are the intercepts, where the loss does not remove
them by centring, and then the K coefficients of each feature.

Source: J. Nutini, I. Laradji and M. Schmidt, Let's make block coordinate descent
converge faster, JMLR 23:131, 2022.
"""

import math

import numpy as np

from skopt2._core.random import seed_sequence
from skopt2.solvers.block_coordinate_descent.block_engine import BlockEngine
from skopt2.solvers.block_coordinate_descent.graph_part import sparse_part
from skopt2.solvers.block_coordinate_descent.rules import BlockRules
from skopt2.solvers.block_coordinate_descent.smooth_part import make_smooth
from skopt2.solvers.composite import CompositeModel, Point, intercept_array
from skopt2.solvers.first_order import INNER_LIMIT, FirstOrder
from skopt2.solvers.flat_penalty import FlatPenalty, flat_penalty

# Sweeps in a row that bring the distance no closer before a call gives up.
IDLE = 20


def full_engine(problem, rules):
    """Return the engine of all features at the null model, to be driven by hand.

    Parameters
    ----------
    problem : LinearProblem
        In host memory.
    rules : BlockRules
        The rules.

    Returns
    -------
    engine : BlockEngine
        Its ``x`` holds the intercepts, where they are explicit, and the coefficients.
    """
    model, K = CompositeModel(problem), problem.n_outputs
    w = np.zeros((model.m,) if K == 1 else (model.m, K), dtype=problem.y.dtype)
    b = intercept_array(problem, problem.null_intercept)
    solver = RuledDescent(problem, 1e-6, rules)
    point = Point(w, b, problem.null_predictor)
    return solver.engine(model, point, model.levels(problem.lam))


class RuledDescent(FirstOrder):
    """Block descent inside growing working sets.

    Parameters
    ----------
    problem : LinearProblem
        In host memory; a loss with a gradient and a curvature, a separable penalty
        that keeps coefficients at zero by its slope there or at bounds.
    tol : float
        Tolerance of the certificate.
    rules : BlockRules, default=None
        None for the default ones.
    """

    name = "bcd"

    def __init__(self, problem, tol, rules=None):
        super().__init__(problem, tol)
        self.rules = BlockRules() if rules is None else rules
        self._rng = np.random.default_rng(seed_sequence(self.rules.random_state))
        self._engine = None

    def _minimise(self, model, point, lam, goal, final):
        """Run sweeps; see FirstOrder."""
        engine = self.engine(model, point, lam)
        least, idle = math.inf, 0
        for _ in range(INNER_LIMIT):
            engine.sweep()
            worst = float(engine.distance().max(initial=0.0))
            if worst <= goal or self.problem.expired:
                break
            idle = 0 if worst < 0.99 * least else idle + 1
            least = min(least, worst)
            if idle >= IDLE:
                break
        return self._point(model, engine.x)

    def engine(self, model, point, lam):
        """Return the engine of a working set at a point.

        Parameters
        ----------
        model : CompositeModel
            The working set.
        point : Point
            Where to start.
        lam : ndarray of shape (m,) or (m, 1)
            Levels.
        """
        K, offset = model.K, int(model.explicit)
        levels = np.repeat(np.asarray(lam, dtype=np.float64).ravel(), K)
        levels = np.concatenate([np.zeros(K * offset), levels])
        x = np.asarray(point.w, dtype=np.float64).ravel()
        if offset:
            x = np.concatenate([np.ravel(point.b).astype(np.float64), x])
        forests = "forest" in self.rules.partition
        if not forests and self._engine is not None and self._engine[0] is model:
            engine = self._engine[1]
            engine.smooth.restart(point.eta)
            engine.relevel(levels, x)
            return engine
        smooth = sparse_part(model, x) if forests else make_smooth(model, point.eta)
        whole = self.problem.penalty
        penalty = flat_penalty(whole, model.penalty, K, K * offset)
        if isinstance(penalty, FlatPenalty):
            penalty = penalty.restrict(np.arange(levels.size))
        if whole.bounds is None and not levels.any():
            penalty = None
        engine = BlockEngine(
            smooth,
            penalty,
            levels,
            x,
            self.rules,
            self._rng,
            lambda: self.problem.expired,
        )
        self._engine = model, engine
        return engine

    def _point(self, model, x):
        """Return the point of flat coordinates."""
        problem, K = self.problem, model.K
        dtype = problem.y.dtype
        b = np.zeros(() if K == 1 else (K,), dtype=dtype)
        if model.explicit:
            b, x = x[:K].astype(dtype), x[K:]
            b = b[0] if K == 1 else b
        w = x if K == 1 else x.reshape(-1, K)
        return model.at(w.astype(dtype), b)
