"""Entropic barycentres of histograms on a fixed support.

Problem: min_p sum_k w_k W(b_k, p) over the simplex, W(b, p) the minimum of
<P, C> + eps * sum P (log P - 1) over plans with marginals b and p; debiased,
min_p sum_k w_k W(b_k, p) - W(p, p) / 2 for a symmetric C, which is
sum_k w_k S(b_k, p) with the Sinkhorn divergence S but for a constant.

Symbols: b_k (K, n) histograms and w_k weights, both with sums of one; C (n, m);
u_k = exp(f_k / eps) (n,), v_k = exp(g_k / eps) (m,), P_k = diag(u_k) K diag(v_k) with
K = exp(-C / eps); q_k = K' u_k; d = prod_k v_k^w_k, one without debiasing.

One step: u_k = b_k / (K v_k), p = d prod_k q_k^w_k, v_k = p / q_k, and debiased
d <- sqrt(d p / (K d)). The point is optimal where all plans have their marginals and,
debiased, diag(d) K diag(d) has the marginals p: these errors are the certificate. Steps
keep the weighted geometric mean of the v_k at d, which is part of the optimality: a
start must have it too.

The steps are a fixed-point iteration for log v, accelerated by Anderson's method with
the residuals weighted by sqrt(w_k p), and for small eps started from the solution of a
larger one. Without debiasing D = sum_k w_k <b_k, f_k> - eps sum P_k is a lower bound on
the optimum, since sum_k w_k g_k = 0.

Sources: J.-D. Benamou, G. Carlier, M. Cuturi, L. Nenna and G. Peyre, Iterative Bregman
projections for regularized transportation problems, SIAM J. Sci. Comput. 37, 2015,
section 3.2; H. Janati, M. Cuturi and A. Gramfort, Debiased Sinkhorn barycenters, ICML
2020, algorithm 1 and theorem 3 (convexity, Gaussians).
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from skopt2._core.array import (
    accumulation_dtype,
    asarray_like,
    device_of,
    namespace,
    sum64,
)
from skopt2._core.result import Measure
from skopt2.solvers.transport.anderson import Anderson
from skopt2.solvers.transport.patience import Patience

# Steps between two measures.
PERIOD = 4
# Levels of decreasing regularisation: from this share of the largest cost, by this
# ratio, each to this error but in so many steps at most.
FIRST_LEVEL, RATIO, LEVEL_TOL, LEVEL_STEPS = 2e-3, 4.0, 1e-2, 32
# Growth of the error, over the smallest, at which the acceleration is given up.
SETBACK = 1e3


@dataclass(frozen=True)
class FixedBarycenter:
    """Barycentre and what proves it.

    Parameters
    ----------
    p : array of shape (m,)
        Barycentre, with the sum one.
    f, g : array of shape (K, n), (K, m)
        Potentials in the units of the cost; -inf where there is no mass.
    errors : array of shape (K,)
        Marginal errors |P_k 1 - b_k|_1 + |P_k' 1 - p|_1, and debiased also that of the
        plan between p and itself.
    """

    p: Any
    f: Any
    g: Any
    errors: Any


@dataclass
class FixedState:
    """Where the solver stands; it changes it in place.

    Parameters
    ----------
    g : array of shape (K, m)
        Potentials.
    level : int
        Number of the level of the regularisation.
    n_steps : int
        Steps at this level.
    image : object
        What the step computes at ``g``; None where it has not.
    best : object
        What the step computed where the error of the level was smallest: the answer,
        and where to return to after a setback.
    error : float
        That error.
    calm : int
        Steps to take without acceleration.
    setbacks : int
        Since the error was smallest.
    patience : Patience
        Tells when rounding forbids progress.
    anderson : Anderson
        Memory of the acceleration.
    """

    g: Any
    level: int = 0
    n_steps: int = 0
    image: Any = None
    best: Any = None
    error: float = math.inf
    calm: int = 0
    setbacks: int = 0
    patience: Patience | None = None
    anderson: Anderson = field(default_factory=Anderson)


class FixedSupport:
    """Bregman projections for barycentres; a solver for ``iterate``.

    Parameters
    ----------
    kernel : object
        See :mod:`skopt2.solvers.transport.log_kernel`.
    B : array of shape (K, n)
        Histograms with sums of one; zeros are allowed.
    w : array of shape (K,)
        Positive weights with the sum one, in float64 on the host.
    eps : float
        Regularisation.
    debiased : bool, default=False
        Whether to take the bias of the entropy away; the cost is symmetric then.
    accelerate : bool, default=True
        Whether to use Anderson's method.
    tol : float, default=1e-6
        Tolerance of the error.
    """

    name = "bregman"

    def __init__(self, kernel, B, w, eps, *, debiased=False, accelerate=True, tol=1e-6):
        self.kernel, self.B, self.eps, self.tol = kernel, B, eps, tol
        self.debiased, self.accelerate = debiased, accelerate
        self.xp = namespace(B)
        self.w = asarray_like(np.asarray(w), B)
        with np.errstate(divide="ignore"):
            self.log_b = self.xp.log(B)
        levels = [eps]
        while levels[-1] * RATIO <= FIRST_LEVEL * kernel.scale:
            levels.append(levels[-1] * RATIO)
        self.levels = levels[::-1]
        unit = float(self.xp.finfo(B.dtype).eps)
        self.floor = unit * max(1.0, kernel.scale / eps)

    def start(self, g=None):
        """Return the starting state.

        Parameters
        ----------
        g : array of shape (K, m), default=None
            Potentials to start from. None for zeros, the weighted geometric mean of
            which is the one that has to be kept.
        """
        if g is None:
            shape = (self.B.shape[0], self.kernel.shape[1])
            g = self.xp.zeros(shape, dtype=self.B.dtype, device=device_of(self.B))
            state = FixedState(g)
        else:
            if not self.debiased:
                g = g - self._mean(g)[None, :]
            state = FixedState(g, level=len(self.levels) - 1)
        self.kernel.set_reg(self.levels[state.level])
        state.patience = Patience(self.floor)
        return state

    def interval(self, state):
        """Return the number of steps to the next measure."""
        return PERIOD

    def step(self, state):
        """Take one step, accelerated unless the last ones failed."""
        if state.best is None:
            # Accelerated steps that overshoot need something to return to.
            self._watch(state)
        image = self._image(state)
        eps = self.levels[state.level]
        with np.errstate(all="ignore"):
            if not self.accelerate or state.calm > 0:
                state.g = eps * image.x
                state.calm -= 1
            else:
                weight = self.xp.sqrt(self.w[:, None] * image.p[None, :])
                state.g = eps * state.anderson.next(image.x0, image.x, weight)
        state.image = None
        state.n_steps += 1
        return state

    def certificate(self, state):
        """Measure the errors; go to the next level, or back, where they say so."""
        self._watch(state)
        while state.level + 1 < len(self.levels) and (
            state.error <= max(LEVEL_TOL, self.tol) or state.n_steps >= LEVEL_STEPS
        ):
            self._descend(state)
            self._watch(state)
        error = state.error
        if state.level + 1 < len(self.levels):
            # The end of a level is not the end.
            error = max(error, 2.0 * self.tol)
        return Measure(
            self._objective(state.best),
            error,
            extra={"reg": self.levels[state.level]},
            stalled=state.patience.exhausted(state.error),
        )

    def finalize(self, state):
        """Return the barycentre, its potentials and errors."""
        best, eps = state.best, self.kernel.eps
        f, g = eps * best.y, eps * best.x0
        return FixedBarycenter(best.p, f, g, self._errors(best))

    def pack(self, state):
        """Return the state as arrays and numbers."""
        return {"g": state.g, "level": state.level, "n_steps": state.n_steps}

    def unpack(self, packed):
        """Return the state of what :meth:`pack` returned."""
        g = asarray_like(packed["g"], self.B)
        state = FixedState(g, packed["level"], packed["n_steps"])
        self.kernel.set_reg(self.levels[state.level])
        state.patience = Patience(self.floor)
        return state

    def _mean(self, x):
        """Return sum_k w_k x_k."""
        return self.xp.sum(self.w[:, None] * x, axis=0)

    def _image(self, state):
        """Return what the step computes at the potentials of the state."""
        if state.image is None:
            with np.errstate(all="ignore"):
                state.image = self._evaluate(state.g * (1.0 / self.kernel.eps))
        return state.image

    def _evaluate(self, x):
        """Return the image of log v."""
        kernel = self.kernel
        product = kernel.rows(x)
        y = self.log_b - product
        q = kernel.cols(y)
        mean = self._mean(q)
        if not self.debiased:
            return _Image(x, mean - q, y, _normalised(mean), product, q)
        d = self._mean(x)
        log_p = _normalised(d + mean)
        own = d + kernel.rows(d[None, :])[0, :]
        new = d + 0.5 * (log_p - own) + mean - q
        return _Image(x, new, y, log_p, product, q, own)

    def _errors(self, image):
        """Return the marginal errors at log v, shape (K,)."""
        xp, eps = self.xp, self.kernel.eps
        with np.errstate(all="ignore"):
            # Of the potentials as they are stored.
            y = (eps * image.y) * (1.0 / eps)
            errors = self._sum(xp.abs(xp.exp(y + image.product) - self.B))
            cols = xp.exp(image.x0 + image.q) - image.p[None, :]
            errors = errors + self._sum(xp.abs(cols))
            if image.own is not None:
                own = xp.exp(image.own) - image.p
                errors = errors + self._sum(xp.abs(own)[None, :])
        return errors

    def _objective(self, image):
        """Return sum_k w_k <b_k, f_k> - eps, and debiased + eps / 2 sum d K d."""
        xp, eps, wide = self.xp, self.kernel.eps, accumulation_dtype(self.B)
        f = xp.where(self.B > 0, eps * image.y, xp.zeros_like(image.y))
        value = xp.astype(self.w[:, None] * self.B, wide) * xp.astype(f, wide)
        value = sum64(value) - eps
        if image.own is None:
            return value
        with np.errstate(over="ignore"):
            return value + 0.5 * eps * sum64(xp.exp(image.own))

    def _sum(self, x):
        return self.xp.sum(x, axis=1, dtype=accumulation_dtype(x))

    def _descend(self, state):
        """Go to the next level of the regularisation, from the last image."""
        state.g = self.levels[state.level] * self._image(state).x
        state.level += 1
        state.n_steps, state.image = 0, None
        state.best, state.error = None, math.inf
        state.calm, state.setbacks = 0, 0
        state.anderson.clear()
        self.kernel.set_reg(self.levels[state.level])

    def _watch(self, state):
        """Measure the error, keep the best potentials, or return to them; waits."""
        image = self._image(state)
        error = float(self.xp.max(self._errors(image)))
        if state.best is None or error < state.error:
            state.best, state.error, state.setbacks = image, error, 0
        elif not error <= SETBACK * state.error:
            state.g, state.image = self.kernel.eps * state.best.x0, state.best
            state.anderson.clear()
            # Longer each time: the same steps would fail in the same way.
            state.setbacks += 1
            state.calm = PERIOD * 2 ** min(state.setbacks, 10)


class OneMeasure(FixedSupport):
    """The debiased barycentre of one histogram, which is that histogram.

    What is solved is its transport to itself, by p = b, d <- sqrt(d b / (K d)). The
    projections for several histograms would get there too, but in bins without mass
    only as one over the number of steps.
    """

    def __init__(self, *args, **options):
        super().__init__(*args, **{**options, "debiased": True, "accelerate": False})

    def _evaluate(self, x):
        xp = self.xp
        # No mass has the potential of minus infinity.
        x = xp.where(self.B > 0, x, self.log_b)
        product = self.kernel.rows(x)
        own = x + product
        new = xp.where(self.B > 0, x + 0.5 * (self.log_b - own), self.log_b)
        log_p = self.log_b[0, :]
        return _Image(x, new, x, log_p, product, product, own[0, :])

    def finalize(self, state):
        """Return the histogram, its potentials and errors."""
        found = super().finalize(state)
        return FixedBarycenter(found.p, found.f, found.f, found.errors)


class _Image:
    """What a step computes at x0 = log v: its image x, y = log u, p and sums."""

    def __init__(self, x0, x, y, log_p, product, q, own=None):
        self.x0, self.x, self.y = x0, x, y
        self.product, self.q, self.own = product, q, own
        self.p = namespace(log_p).exp(log_p)


def _normalised(log_p):
    """Return log p with sum p = 1; entries of p may be below the range of floats."""
    xp = namespace(log_p)
    log_p = log_p - xp.max(log_p)
    return log_p - xp.log(xp.sum(xp.exp(log_p)))
