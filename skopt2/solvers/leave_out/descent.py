r"""First-order methods that carry the models without a fold along.

Problem: see :mod:`skopt2.solvers.leave_out.copies`. The model of all rows moves by
    t <- prox(z - a grad f(z), a),   z = t + b (t - t_before),
with b = 0 for the proximal gradient method, which without a penalty is gradient
descent, the momentum of FISTA with restarts for the accelerated one, and gradients of
random rows for the stochastic one. The copies move by the same rule, with the same
steps a, momenta b and rows, from starts of their own.

Steps: a_j = 1 / (c theta D_j) in feature j, see :mod:`skopt2.solvers.composite`, and
1 / c for the intercept, to which the centred columns are orthogonal; or the number that
is given. Stochastic steps start with half of that and halve whenever as many
iterations have passed as before the last halving and twice as many ("epoch doubling").

Sources: Y. Luo, Z. Ren and R. Barber, ICML 2023, algorithms 1 to 3; A. Beck and M.
Teboulle, SIAM J. Imaging Sciences 2, 2009, eqs. 4.1-4.3; B. O'Donoghue and E. Candes,
Foundations of Computational Mathematics 15, 2015, section 3.2 (restarts).
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from skopt2._core.result import Measure
from skopt2.solvers.certificate import gradient_scale
from skopt2.solvers.composite import CompositeModel, smoothness
from skopt2.solvers.leave_out.copies import Rows

METHODS = ("gradient", "accelerated", "sgd")
# Passes over the data before stochastic steps are halved for the first time.
FIRST_PASSES = 50


@dataclass(frozen=True, eq=False)
class Iterate:
    """Where the descent stands.

    Parameters
    ----------
    t, before : ndarray of shape (d, K)
        The last two iterates of all rows.
    T, T_before : list of ndarray of shape (d, K, F)
        Those of each set of copies.
    momentum : float
        Of FISTA; 1 without any.
    count : int
        Steps taken.
    residual : float
        Length of the gradient mapping of the last step.
    """

    t: np.ndarray
    before: np.ndarray
    T: list
    T_before: list
    momentum: float = 1.0
    count: int = 0
    residual: float = math.inf


class PathDescent:
    """A first-order method with copies, in the form that the iteration loop takes.

    Parameters
    ----------
    problem : LinearProblem
        On the host, with a separable penalty.
    A : ndarray of shape (n, d)
        Centred columns, and ones for an intercept.
    copies : list of type
        Which kinds of copies, and their folds, as pairs.
    method : {"gradient", "accelerated", "sgd"}, default="gradient"
        See the module.
    step : float, default=None
        Step of every coordinate; None for those of the module.
    batch_size : int, default=None
        Expected rows of a stochastic gradient; None for a tenth.
    rng : numpy.random.Generator, default=None
        Draws them.
    measure : callable
        ``measure(t, etas)`` with the predictors of the pairs of each set of copies
        returns further columns of the history.
    """

    def __init__(
        self,
        problem,
        A,
        copies,
        *,
        method="gradient",
        step=None,
        batch_size=None,
        rng=None,
        measure,
    ):
        self.problem, self.method, self._measure = problem, method, measure
        self.rows = Rows(A, np.asarray(problem.y), np.asarray(problem.s), problem.loss)
        self.copies = [kind(self.rows, folds) for kind, folds in copies]
        self.rng, n = rng, A.shape[0]
        self.batch_size = max(1, n // 10) if batch_size is None else batch_size
        self.K, self.p = problem.n_outputs, problem.design.p
        self.lam = problem.lam[:, None]
        model = CompositeModel(problem)
        metric = model.theta * np.asarray(model.metric).reshape(self.p)
        self._inverse = np.ones((A.shape[1], 1))
        self._inverse[: self.p, 0] = 1.0 / metric
        self.step_size, self.best = step, None
        self.scale = gradient_scale(problem)

    def start(self):
        """Return the null models: of all rows, and of what each copy has."""
        t = np.zeros((self.rows.A.shape[1], self.K))
        if self.problem.explicit_intercept:
            t[self.p] = self.problem.null_intercept
        eta = self.rows.eta(t)
        g, h = self.rows.slopes(eta), self.rows.bends(eta)
        T = [self._null_copies(t, g, h, one.folds) for one in self.copies]
        return Iterate(t, t, T, T)

    def _null_copies(self, t, g, h, folds):
        """Return null models without a fold, their intercepts by a Newton step."""
        T = np.repeat(t[:, :, None], len(folds), axis=2)
        if not self.problem.fit_intercept:
            return T
        force = folds.sum(g[folds.rows])
        rest = h.sum(axis=0) - folds.sum(h[folds.rows])
        move = np.linalg.pinv(rest, hermitian=True) @ force[:, :, None]
        T[self.p] += move[:, :, 0].T
        return T

    def step(self, state):
        """Move the model of all rows, and its copies."""
        b, momentum = 0.0, state.momentum
        if self.method == "accelerated":
            ahead = 0.5 * (1.0 + math.sqrt(1.0 + 4.0 * momentum * momentum))
            b, momentum = (momentum - 1.0) / ahead, ahead
        z = state.t + b * (state.t - state.before)
        eta = self.rows.eta(z)
        g, h, batch = self.rows.slopes(eta), self.rows.bends(eta), None
        if self.method == "sgd":
            g, h, batch = self._sample(g, h)
        G = self.rows.A.T @ g
        a, t = self._advance(z, G, eta, state.count)
        T = []
        pairs = zip(self.copies, state.T, state.T_before, strict=True)
        for copies, new, old in pairs:
            Z = new + b * (new - old) if b else new
            slopes = copies.gradients(z, Z, g, h, batch)
            T.append(self._prox(Z - a[:, :, None] * slopes, a))
        if b and float(((z - t) * (t - state.t) / self._inverse).sum()) > 0.0:
            momentum = 1.0
        residual = float(np.abs((z - t) / a).max(initial=0.0))
        count = state.count + 1
        return Iterate(t, state.t, T, state.T, momentum, count, residual)

    def _sample(self, g, h):
        """Return derivatives of random rows alone, which estimate those of all."""
        n = self.rows.s.size
        # As in the paper, every row is in the sample by itself.
        batch = np.flatnonzero(self.rng.random(n) < self.batch_size / n)
        if batch.size == 0:
            batch = self.rng.integers(n, size=1)
        sampled, factor = np.zeros((n, 1)), n / batch.size
        sampled[batch] = factor
        return g * sampled, h * sampled[:, :, None], batch

    def _advance(self, z, G, eta, count):
        """Return the steps (d, 1) and the next model of all rows."""
        if self.step_size is not None:
            a = np.full(self._inverse.shape, float(self.step_size))
            a = a * self._decay(count)
            return a, self._prox(z - a * G, a)
        a = self._inverse / smoothness(self.problem, eta)
        if self.method == "sgd":
            a = 0.5 * self._decay(count) * a
            return a, self._prox(z - a * G, a)
        t = self._prox(z - a * G, a)
        if not self.problem.loss.has_lipschitz:
            a, t = self._search(z, G, eta, a, t)
        return a, t

    def _decay(self, count):
        """Return the factor of epoch doubling."""
        if self.method != "sgd":
            return 1.0
        first = FIRST_PASSES * max(1.0, self.rows.s.size / self.batch_size)
        return 0.5 ** math.floor(math.log2(1.0 + count / first))

    def _search(self, z, G, eta, a, t):
        """Halve the steps until the loss lies below its model at their end."""
        base = self.rows.loss.value(self.rows.y, eta, self.rows.s)
        for _ in range(60):
            move = t - z
            bound = base + float((move * G).sum() + 0.5 * (move * move / a).sum())
            with np.errstate(over="ignore"):
                if self.rows.value(t) <= bound + 1e-13 * abs(base):
                    break
            a = 0.5 * a
            t = self._prox(z - a * G, a)
        return a, t

    def _prox(self, z, a):
        """Return the proximal point of coefficients (d, K) or (d, K, F)."""
        p, out = self.p, z.copy()
        flat = self.problem.penalty.prox(z[:p].reshape(p, -1), a[:p], self.lam)
        out[:p] = flat.reshape(z[:p].shape)
        return out

    def certificate(self, state):
        """Measure objective, gradient mapping, and what the copies say."""
        etas = [
            copies.pairs.predict(T)
            for copies, T in zip(self.copies, state.T, strict=True)
        ]
        extra = self._measure(self.rows.eta(state.t), etas)
        w = state.t[: self.p]
        objective = self.rows.value(state.t) + self.problem.penalty.value(w, self.lam)
        score = extra["score"]
        if self.best is None or score > self.best[0]:
            self.best = score, state.count, replace(state, T=[], T_before=[])
        value = math.inf if self.method == "sgd" else state.residual / self.scale
        return Measure(objective, value, extra=extra)

    def finalize(self, state):
        """Return the coefficients of all rows, and of each set of copies."""
        return state.t, state.T
