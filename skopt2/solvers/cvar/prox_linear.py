"""SPL+: stochastic prox-linear steps for the conditional value at risk.

Problem: min_(w, b, a) a + sum_i s_i max(l_i(w, b) - a, 0) / (1 - beta) + sum_j pen_j.

One step draws a sample, with the probability s_i, replaces its loss by the tangent l +
<g, (w, b) - (w, b)_t>, keeps the maximum, and minimises exactly

    a + max(tangent - a, 0) / (1 - beta) + lam2 / 2 norm(w)^2
      + norm((w, b) - (w, b)_t)^2 / (2 t) + (a - a_t)^2 / (2 t_a).

With max(z, 0) = max of q z over 0 <= q <= 1 the minimum is (w, b) = (w', b) - t' q g /
(1 - beta), a = a_t - t_a (1 - q / (1 - beta)), where w' = w_t / (1 + t lam2), steps t'
are t / (1 + t lam2) for w and t for b, and, l' the tangent at w',

    q = clip((1 - beta) (l' - a_t + t_a) / (t_a + <g, t' g>), 0, 1) :

the three cases of a sample outside of the tail, in it, and at its edge. An l1 norm is a
soft threshold after the step.

Steps are ``step / sqrt(k)`` in units of the start: a in those of its mean loss, (w, b)
in those in which a tangent falls by that loss. So the scale of the losses and of the
features changes nothing.

The points and the tangents of an epoch are averaged, later epochs with more weight. The
averaged tangents with their shares q bound the minimum from below, which makes the
duality gap that is the certificate.

Source: S. Y. Meng and R. M. Gower, A model-based method for minimizing CVaR and beyond,
ICML 2023, for the method (linearise inside the maximum, keep the maximum; one step for
the model, one for the level); the closed form, the units of the steps and the gap are
derived here. D. Davis and D. Drusvyatskiy, Stochastic model-based minimization of
weakly convex functions, SIAM J. Optimization 29, 2019, for the averages.
"""

import math
from dataclasses import dataclass

import numpy as np

from skopt2._core.array import sum64
from skopt2._core.random import seed_sequence
from skopt2._core.result import Measure
from skopt2.solvers.certificate import GAP
from skopt2.solvers.cvar.multipliers import (
    TailSolution,
    centred,
    constant_predictor,
    objective_scale,
)
from skopt2.solvers.state import Solution


def prox_linear_share(loss, size, a, t_a, beta):
    """Return q, which says how much of a sample is in the tail after a step.

    Parameters
    ----------
    loss : float
        Tangent of the loss at the shrunk point.
    size : float
        <g, t' g>, the squared norm of its slope in the metric of the step.
    a : float
        Level of the tail.
    t_a : float
        Step of the level, positive.
    beta : float
        In [0, 1).
    """
    q = (1.0 - beta) * (loss - a + t_a) / (t_a + size)
    return min(max(q, 0.0), 1.0)


@dataclass(frozen=True)
class Averages:
    """What the epochs add up to.

    Parameters
    ----------
    w : ndarray of shape (p,)
        Coefficients.
    b : float
        Intercept of the centred problem.
    height, slope : ndarray of shape (n,)
        Tangents of the samples, weighted by their shares of the tail.
    mass : ndarray of shape (n,)
        These shares.
    """

    w: np.ndarray
    b: float
    height: np.ndarray
    slope: np.ndarray
    mass: np.ndarray

    def towards(self, other, share):
        """Return the mean of this and another, in which the other has a share."""
        mine, others = vars(self), vars(other)
        return Averages(
            **{k: (1.0 - share) * mine[k] + share * others[k] for k in mine}
        )


@dataclass(frozen=True)
class Walk:
    """The last point, the averages, and the number of epochs.

    Parameters
    ----------
    w : ndarray of shape (p,)
        Coefficients.
    b, a : float
        Intercept of the centred problem, and level of the tail.
    mean : Averages or None
        None before the first epoch.
    epoch : int
        Epochs so far.
    """

    w: np.ndarray
    b: float
    a: float
    mean: Averages | None = None
    epoch: int = 0


class StochasticProxLinear:
    """SPL+ on the host, an epoch a step.

    Parameters
    ----------
    problem : TailProblem
        In host memory, with ridge, l1 or the elastic net as penalty.
    tol : float
        Tolerance of the certificate.
    step : float, default=1.0
        Size of the steps, in units of the start.
    random_state : None, int, RandomState or Generator, default=None
        Draws the samples.
    rule : {"spl+", "sgm"}, default="spl+"
        The stochastic subgradient method is here to be compared with.
    """

    certificate_name = GAP
    check_every = 1

    def __init__(self, problem, tol, step=1.0, random_state=None, rule="spl+"):
        self.problem, self.tol, self.size, self.rule = problem, tol, float(step), rule
        self.scale = objective_scale(problem)
        self.rho = float(getattr(problem.penalty, "l1_ratio", 1.0))
        self.lam = np.asarray(problem.lam, dtype=np.float64)
        design = problem.design
        rows = design.X.toarray() if design.sparse else np.asarray(design.X)
        self.rows = rows - (0.0 if design.means is None else design.means)
        self.ends = np.cumsum(problem.s)
        self.seed = seed_sequence(random_state)
        eta = np.zeros(problem.y.size) + constant_predictor(problem)
        slope = np.abs(problem.loss.slopes(problem.y, eta)).max(axis=0)
        norms = (self.rows**2).sum(axis=1) + float(problem.fit_intercept)
        mean = float(problem.s @ problem.losses(eta)) or 1.0
        self.unit = mean / max(float(problem.s @ (slope**2 * norms)), 1e-300)
        self.unit_a = mean

    def init(self, start=None):
        """Return the state of a start, the best constant by default.

        Parameters
        ----------
        start : Solution, default=None
            Warm start.
        """
        problem = self.problem
        if start is None:
            none = np.empty(0, dtype=np.int64)
            start = Solution(none, np.zeros(0), constant_predictor(problem))
        w = np.zeros(problem.design.p)
        w[start.ids] = start.w
        b = centred(problem, start)
        return Walk(w, b, problem.risk(self.rows @ w + b)[0])

    def step(self, state):
        """Draw as many samples as there are, and average what they did."""
        problem, n = self.problem, self.problem.y.size
        rng = np.random.default_rng([state.epoch, *self.seed.generate_state(4)])
        drawn = np.searchsorted(self.ends, rng.random(n) * self.ends[-1])
        drawn = np.minimum(drawn, n - 1)
        w, b, a = state.w.copy(), state.b, state.a
        total, total_b = np.zeros_like(w), 0.0
        height, slope, mass = np.zeros((3, n))
        cap = 1.0 / (n * (1.0 - problem.beta))
        for k, i in enumerate(drawn, start=state.epoch * n + 1):
            w, b, a, q, tangent = self._move(w, b, a, i, self.size / math.sqrt(k))
            total += w
            total_b += b
            if q > 0.0:
                mass[i] += cap * q
                height[i] += cap * q * tangent[0]
                slope[i] += cap * q * tangent[1]
        mean = Averages(total / n, total_b / n, height, slope, mass)
        if state.mean is not None:
            # Epoch k has a weight in proportion to k.
            mean = state.mean.towards(mean, 2.0 / (state.epoch + 2.0))
        return Walk(w, b, a, mean, state.epoch + 1)

    def _move(self, w, b, a, i, step):
        """Return the point after one sample, its share q, and its tangent."""
        problem, x, y = self.problem, self.rows[i], self.problem.y[i : i + 1]
        t, t_a, beta = step * self.unit, step * self.unit_a, problem.beta
        eta = np.array([x @ w + b])
        pieces, slopes = problem.loss.values(y, eta), problem.loss.slopes(y, eta)
        j = int(pieces[:, 0].argmax())
        loss, slope = float(pieces[j, 0]), float(slopes[j, 0])
        if loss < 0.0:
            loss = slope = 0.0
        tangent = loss - slope * float(eta[0]), slope
        shrink = 1.0 + t * (1.0 - self.rho) * self.lam
        if self.rule == "sgm":
            q = float(loss > a)
            pull = t * q / (1.0 - beta) * slope
            new = (w - pull * x) - t * (1.0 - self.rho) * self.lam * w
        else:
            near, short = w / shrink, t / shrink
            loss += slope * float(x @ (near - w))
            size = slope**2 * (float(x @ (short * x)) + t * problem.fit_intercept)
            q = prox_linear_share(loss, size, a, t_a, beta)
            pull = t * q / (1.0 - beta) * slope
            new = near - (pull / shrink) * x
        if self.rho > 0.0:
            level = t * self.rho * self.lam / shrink
            new = np.sign(new) * np.maximum(np.abs(new) - level, 0.0)
        b -= pull * problem.fit_intercept
        return new, b, a - t_a * (1.0 - q / (1.0 - beta)), q, tangent

    def certificate(self, state):
        """Return the objective at the average, and the duality gap of the tangents."""
        problem, mean = self.problem, state.mean
        eta = self.rows @ mean.w + mean.b
        quantile, cvar = problem.risk(eta)
        objective = cvar + problem.penalty_value(mean.w)
        bound = self._bound(mean)
        gap = max(objective - bound, 0.0)
        extra = {"quantile": quantile, "cvar": cvar}
        return Measure(objective, gap / self.scale, gap, extra)

    def _bound(self, mean):
        """Return a lower bound of the minimum from the averaged tangents."""
        problem = self.problem
        # A sample may have been drawn more often than its weight allows.
        keep = np.minimum(1.0, problem.cap / np.maximum(mean.mass, 1e-300))
        keep = keep / max(1.0, sum64(keep * mean.mass))
        return problem.tangent_bound(
            (keep * mean.height)[None, :], (keep * mean.slope)[None, :]
        )

    def finalize(self, state):
        """Return the averaged point with its risk."""
        problem, mean = self.problem, state.mean
        ids = np.flatnonzero(mean.w)
        b = problem.original_intercept(ids, mean.w[ids], mean.b)
        held = Solution(ids, mean.w[ids], b)
        return TailSolution.of(held, problem.risk(self.rows @ mean.w + mean.b))

    def pack(self, state):
        """Return the state as plain arrays, for a checkpoint."""
        packed = {k: getattr(state, k) for k in ("w", "b", "a", "epoch")}
        mean = {} if state.mean is None else vars(state.mean)
        return {**packed, **{f"mean_{k}": value for k, value in mean.items()}}

    def unpack(self, packed):
        """Return the state of a checkpoint."""
        mean = {k[5:]: v for k, v in packed.items() if k.startswith("mean_")}
        here = {k: v for k, v in packed.items() if not k.startswith("mean_")}
        return Walk(**here, mean=Averages(**mean) if mean else None)
