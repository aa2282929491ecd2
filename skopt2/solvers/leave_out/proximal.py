r"""Predictions for rows that are left out, by one proximal Newton step.

Problem: for each fold f, with the symbols of :mod:`skopt2.solvers.leave_out.copies`,
    T_f = argmin_u  grad f_f(t)'(u - t) + (u - t)'Hess f_f(t)(u - t) / 2 + pen(u),
where t minimises F, from one expansion of the loss at t. Unlike a Newton step on the
support of t, it lets features enter and leave: for the squared loss it is the fit to
the rest. It is the limit of iterative approximate cross-validation.

Method: FISTA for all folds at once, each with restarts of its own, on a working set of
features: those in use, those whose gradient is near the threshold, and in further
rounds those that violate stationarity without some fold.

Sources: A. Wilson, M. Kasy and L. Mackey, Approximate cross-validation: guarantees for
model assessment and selection, AISTATS 2020, section 4; Y. Luo, Z. Ren and R. Barber,
ICML 2023, section 3.3; B. O'Donoghue and E. Candes, Foundations of Computational
Mathematics 15, 2015, section 3.2.
"""

import numpy as np

from skopt2.solvers.block_coordinate_descent.coordinates import group_columns
from skopt2.solvers.certificate import gradient_scale
from skopt2.solvers.composite import MARGIN, POWER_ITERATIONS
from skopt2.solvers.leave_out.copies import LinearisedCopies, Rows

# Features whose gradient is this part of the threshold are in the first working set.
NEAR = 0.7
# Iterations between two measures, and in all; rounds of the working set.
PERIOD, LIMIT, ROUNDS = 10, 5000, 20
# Elements of a block of gradients.
BLOCK = 2**23


def left_out(problem, solution, folds, tol):
    """Return how the predictors change where their fold is left out.

    Parameters
    ----------
    problem : LinearProblem
        On the host, with a separable penalty, at the level of the solution.
    solution : Solution
        The fit to all rows.
    folds : Folds
        What to leave out.
    tol : float
        Gradient mapping to reach, relative to the scale of the problem.

    Returns
    -------
    change : ndarray of shape (m, K)
        For each pair of the folds.
    solved : ndarray of bool of shape (F,)
        Where the tolerance was reached.
    """
    step = _Step(problem, solution, folds, tol)
    for _ in range(ROUNDS):
        violators = step.violators()
        if violators.size == 0:
            break
        step.extend(violators)
    return step.change(), step.solved


class _Step:
    """The step on a working set that grows.

    Parameters
    ----------
    problem, solution, folds, tol
        As above.
    """

    def __init__(self, problem, solution, folds, tol):
        self.problem, self.folds, self.K = problem, folds, problem.n_outputs
        self.goal = tol * gradient_scale(problem)
        self.w = np.zeros((problem.design.p, self.K))
        self.w[solution.ids] = solution.w.reshape(-1, self.K)
        base = problem.centred_intercept(solution.ids, solution.w, solution.intercept)
        self.b = np.broadcast_to(np.asarray(base, dtype=float), (self.K,))
        eta = problem.predictor(solution.ids, solution.w, base)
        every = Rows(
            np.empty((problem.design.n, 0)),
            np.asarray(problem.y),
            np.asarray(problem.s),
            problem.loss,
        )
        self.g, self.h = every.slopes(eta), every.bends(eta)
        self.slope = problem.penalty.slope_at_zero(problem.lam)
        pull = problem.penalty.pull(problem.design.gradient(self.g)).max(axis=1)
        near = (pull >= NEAR * self.slope) | self.w.any(axis=1)
        self.ids, self.T = np.empty(0, dtype=np.int64), None
        self.extend(np.flatnonzero(near & np.isfinite(problem.lam)))

    def extend(self, new):
        """Add features to the working set, and solve."""
        problem, old, before = self.problem, self.ids, self.T
        self.ids = np.union1d(old, new)
        m, free = self.ids.size, int(problem.fit_intercept)
        A = np.hstack(
            [group_columns(problem.design, self.ids), np.ones((problem.design.n, free))]
        )
        rows = Rows(A, np.asarray(problem.y), np.asarray(problem.s), problem.loss)
        self.copies = LinearisedCopies(rows, self.folds, fixed=True)
        self.t = np.vstack([self.w[self.ids], np.tile(self.b, (free, 1))])
        self.T = np.repeat(self.t[:, :, None], len(self.folds), axis=2)
        if before is not None:
            self.T[np.searchsorted(self.ids, old)] = before[: old.size]
            self.T[m:] = before[old.size :]
        self.steps = 1.0 / self._bounds()
        self.penalty = problem.penalty.restrict(self.ids)
        self._solve()

    def _bounds(self):
        """Return bounds (d, K) of the curvature in each coordinate.

        The diagonal of the Hessian at t times the largest eigenvalue of what it scales
        to a unit diagonal, by the power method: far below the bounds of the loss where
        most rows are fitted well. It holds without any fold too.
        """
        A = self.copies.rows.A
        diagonal = (A * A).T @ np.einsum("ikk->ik", self.h)
        diagonal = np.maximum(diagonal, 1e-10 * diagonal.max(initial=1e-300))
        root = np.sqrt(diagonal)
        # A start that is orthogonal to no eigenvector by any symmetry of the data.
        v = np.cos(1.0 + 1.7 * np.arange(root.size)).reshape(root.shape)
        size = 1.0
        for _ in range(POWER_ITERATIONS):
            v = self.copies.bend(self.h, (v / root)[:, :, None])[:, :, 0] / root
            size = float(np.linalg.norm(v))
            v /= max(size, 1e-300)
        return MARGIN * max(size, 1.0 / MARGIN) * diagonal

    def _solve(self):
        """Solve for all copies; those that are solved leave the iteration."""
        self.solved = np.zeros(len(self.folds), dtype=bool)
        left, copies = np.arange(len(self.folds)), self.copies
        T, before = self.T.copy(), self.T.copy()
        momentum = np.ones(left.size)
        for _ in range(LIMIT // PERIOD):
            T, before, momentum, mapping = self._period(copies, T, before, momentum)
            done = mapping <= self.goal
            if not done.any():
                continue
            self.T[:, :, left[done]], self.solved[left[done]] = T[:, :, done], True
            left, T, before = left[~done], T[:, :, ~done], before[:, :, ~done]
            momentum = momentum[~done]
            if left.size == 0:
                return
            copies = self.copies.take(left)
        self.T[:, :, left] = T

    def _period(self, copies, T, before, momentum):
        """Run FISTA for some iterations, and return the gradient mappings too."""
        # Without a fold the mean has fewer rows, and can bend so much more.
        a = self.steps[:, :, None] * (1.0 - copies.folds.shares)
        for _ in range(PERIOD):
            ahead = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * momentum * momentum))
            Z = T + ((momentum - 1.0) / ahead) * (T - before)
            G = copies.gradients(self.t, Z, self.g, self.h)
            new = self._prox(Z - a * G, a)
            turn = ((Z - new) * (new - T) / a).sum(axis=(0, 1))
            momentum = np.where(turn > 0.0, 1.0, ahead)
            before, T = T, new
        mapping = np.abs((Z - new) / a).max(axis=(0, 1), initial=0.0)
        return T, before, momentum, mapping

    def _prox(self, Z, a):
        """Return the proximal points of all copies."""
        m, out = self.ids.size, Z.copy()
        if m:
            lam = self.problem.lam[self.ids][:, None]
            flat = self.penalty.prox(Z[:m].reshape(m, -1), a[:m].reshape(m, -1), lam)
            out[:m] = flat.reshape(Z[:m].shape)
        return out

    def violators(self):
        """Return the features outside whose gradient without some fold is too large."""
        problem, design, folds = self.problem, self.problem.design, self.folds
        n, worst = design.n, np.zeros(design.p)
        width = max(1, BLOCK // (max(n, design.p) * self.K))
        A = self.copies.rows.A
        for first in range(0, len(folds), width):
            some = np.arange(first, min(first + width, len(folds)))
            difference = self.T[:, :, some] - self.t[:, :, None]
            seen = (A @ difference.reshape(A.shape[1], -1)).reshape(n, self.K, -1)
            v = self.g[:, :, None] + np.einsum("ikl,ilf->ikf", self.h, seen)
            for place, f in enumerate(some):
                v[folds.rows[folds.pairs(f)], :, place] = 0.0
            v = v / (1.0 - folds.shares[some])
            pull = problem.penalty.pull(design.gradient(v.reshape(n, -1)))
            worst = np.maximum(worst, pull.max(axis=1))
        worst[self.ids] = 0.0
        return np.flatnonzero(worst > self.slope + self.goal)

    def change(self):
        """Return the change of the predictors of the pairs, (m, K)."""
        return self.copies.pairs.predict(self.T - self.t[:, :, None])
