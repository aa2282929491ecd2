"""Entropic Gromov-Wasserstein transport by linearisation, fused or not.

Problem: min_P E(P) = F(P) + eps * sum P (log P - 1) over plans with the marginals a and
b, F(P) = (1 - alpha) <M, P> + alpha Q(P), Q the quadratic cost of
:mod:`skopt2.solvers.transport.gromov_costs`. Symbols: a (n,), b (m,), M (n, m) costs
between the spaces, G = grad F(P), Z = log P.

One step: P+ minimises <G, P+> + eps * sum P+ (log P+ - 1) + tau KL(P+ | P), which is a
transport problem with the cost G - tau Z and the regularisation eps + tau, started from
the last potentials. Where Q is concave on plans, as it is for squared Euclidean
distances, E falls for tau = 0. Elsewhere tau doubles until E falls, and grows where
plans swing.

The proximal variant has eps = 0 and tau > 0: E is the cost without entropy, and plans
sharpen from step to step. With a fixed tau they do so ever more slowly; with a small
one from the start they end in worse minima. So tau falls by a tenth with each step, and
P in KL(P+ | P) is kept above a small share of a b', from where pairs can come back.

Transport problems are solved as accurately as the steps deserve, so that P has a
marginal error. The objective is corrected by what that means to first order,
<f, P 1 - a> + <g, P' 1 - b> with the potentials of the problem.

Certificate of P: |P+ - P|_1 (eps + tau) / eps, zero at stationary points only, beside
the marginal error of P. A plan can be much further from P+ than its marginals are from
a and b, so what seems to hold is measured again with a problem solved a hundred times
better. In the proximal variant a large tau makes any step small: there it is the gap
<G, P> - min <G, P'> over plans P', relative to the largest entry of the gradient, of
which the potentials of P+ give an upper bound.

Sources: G. Peyre, M. Cuturi and J. Solomon, Gromov-Wasserstein averaging of kernel and
distance matrices, ICML 2016, section 2.2; H. Xu et al., Gromov-Wasserstein learning for
graph matching and node embedding, ICML 2019, algorithm 1 (proximal); T. Vayer et al.,
Optimal transport for structured data with application on graphs, ICML 2019 (fused);
S. Lacoste-Julien, Convergence rate of Frank-Wolfe for non-convex objectives, 2016,
equation 1 (gap).
"""

import math
from dataclasses import dataclass
from typing import Any

from skopt2._core.array import asarray_like, namespace, sum64
from skopt2._core.result import Measure
from skopt2.solvers.transport.geometry import DenseGeometry
from skopt2.solvers.transport.gromov_costs import largest_gradient
from skopt2.solvers.transport.gromov_step import GromovPoint, GromovProbe
from skopt2.solvers.transport.inner import SHARE, inner_tolerance, solve_balanced
from skopt2.solvers.transport.patience import Patience

# Relative increase of the objective that rounding explains.
ROUNDING = {"float64": 1e-12, "float32": 1e-6}
# Largest tau, relative to the gradient: with it E falls, and only rounding can hide it.
# The factor by which it falls from step to step, and the share of eps below which it is
# dropped.
LARGEST, SHRINK, NEGLIGIBLE = 4.0, 0.7, 1e-3
# Factor by which the weight of the proximal variant falls, and the least one, relative
# to the gradient.
COOL, LEAST = 0.9, {"float64": 1e-5, "float32": 1e-3}
# Factor between moves, in size, from which their sign means something, and changes of
# sign in a row that do, since plans have errors.
SWING, ROW = 0.3, 2
# Share of the residual, over the last, from which marginals are made more accurate, and
# the least error of theirs, relative to the residual.
SLOW, LEAST_SHARE = 0.5, 1e-4
# Factor between the errors of a transport problem and of the one that confirms it.
CONFIRM = 1e-2


@dataclass(frozen=True)
class GromovSolution:
    """A plan and what proves it stationary.

    Parameters
    ----------
    P : array of shape (n, m)
        Plan.
    f, g : array of shape (n,), (m,)
        Potentials of the last transport problem.
    cost, linear, quadratic : float
        F(P), <M, P> and Q(P).
    residual : float
        |P+ - P|_1 (eps + tau) / eps, or the gap of the proximal variant.
    error : float
        Marginal error of P.
    solved : bool
        Whether the transport problem of P+ reached its tolerance.
    """

    P: Any
    f: Any
    g: Any
    cost: float
    linear: float
    quadratic: float
    residual: float
    error: float
    solved: bool


@dataclass
class GromovState:
    """Where the solver stands; it changes it in place.

    Parameters
    ----------
    point : GromovPoint
        Plan, its logarithm, gradient and objective.
    tau : float
        Weight of the Kullback-Leibler term of the next step.
    probe : object
        Where the next step leads from the point; None where it is not known.
    residual : float
        At the last measure.
    move : array of shape (n, m) or None
        Change of the plan in the last step.
    swings : int
        Changes of its sign in a row.
    share : float
        Error of the next marginals, relative to the residual.
    n_inner : int
        Sweeps and Newton steps of all transport problems.
    patience : Patience
        Tells when rounding forbids progress.
    """

    point: Any
    tau: float
    probe: Any = None
    residual: float = math.inf
    move: Any = None
    swings: int = 0
    share: float = SHARE
    n_inner: int = 0
    patience: Patience | None = None


class GromovSinkhorn:
    """Linearised transport between spaces; a solver for ``iterate``.

    Parameters
    ----------
    spaces : object
        See :mod:`skopt2.solvers.transport.gromov_costs`.
    a, b : array of shape (n,), (m,)
        Positive masses with sums of one.
    reg : float
        Regularisation, or weight of the first proximal term.
    M : array of shape (n, m), default=None
        Costs between the spaces.
    alpha : float, default=1.0
        Weight of the quadratic cost; that of ``M`` is 1 - alpha.
    proximal : bool, default=False
        Whether ``reg`` is that of a proximal term.
    tol : float, default=1e-6
        Tolerance of the certificate.
    """

    name = "linearised"

    def __init__(
        self, spaces, a, b, reg, *, M=None, alpha=1.0, proximal=False, tol=1e-6
    ):
        self.spaces, self.a, self.b, self.reg = spaces, a, b, reg
        self.M, self.alpha, self.tol = M, alpha, tol
        self.xp = namespace(a)
        self.eps, self.first = (0.0, reg) if proximal else (reg, 0.0)
        # Of the gradient: what the objective is rounded against.
        self.scale = largest_gradient(spaces, a, b) * alpha
        if M is not None:
            self.scale += (1.0 - alpha) * float(self.xp.max(self.xp.abs(M)))
        name = "float32" if a.dtype == self.xp.float32 else "float64"
        self.slack = ROUNDING[name] * max(self.scale, reg)
        self.least = min(self.first, LEAST[name] * self.scale)
        self.unit = float(self.xp.finfo(a.dtype).eps)

    def start(self, P=None):
        """Return the starting state.

        Parameters
        ----------
        P : array of shape (n, m), default=None
            Nonnegative plan; the product of the masses by default.

        Returns
        -------
        state : GromovState
        """
        xp = self.xp
        product = xp.log(self.a)[:, None] + xp.log(self.b)[None, :]
        if P is None:
            Z, P = product, xp.exp(product)
        else:
            tiny = float(xp.finfo(P.dtype).smallest_normal)
            Z = xp.log(xp.maximum(P, xp.zeros_like(P) + tiny))
        state = GromovState(
            GromovPoint(self, P, Z, None), self.first, patience=Patience(0.0)
        )
        if Z is not product:
            # A coarse first problem would throw a good plan away.
            state.residual = 0.0
        return state

    def step(self, state):
        """Go where the objective falls."""
        while self._rises(state.point, self._probe(state).point):
            if state.tau > LARGEST * self.scale:
                break
            # Twice the weight, and at first that of the entropy.
            state.tau = max(2.0 * state.tau, self.eps)
            state.probe = None
        new = self._probe(state).point
        state.tau = self._weight(state, new.P - state.point.P)
        state.point, state.probe = new, None
        return state

    def _weight(self, state, move):
        """Return the weight of the step after a move.

        Near the end moves are multiples of each other. Where they change sign again and
        again the steps go too far: the weight that stops that is the one that makes the
        factor zero. It is dropped again only while moves go the same way.
        """
        tau, factor = state.tau, 1.0
        if state.move is not None:
            square = sum64(state.move * state.move)
            factor = sum64(move * state.move) / square if square > 0.0 else 0.0
        state.move = move
        state.swings = state.swings + 1 if factor < -SWING else 0
        if state.swings >= ROW:
            tau = tau - (self.eps + tau) * max(factor, -1.0)
        elif self.eps == 0.0:
            tau = COOL * tau
        elif factor > SWING:
            tau = 0.0 if SHRINK * tau < NEGLIGIBLE * self.eps else SHRINK * tau
        return max(min(tau, LARGEST * self.scale), self.least)

    def _rises(self, point, probe):
        """Tell whether the objective rises by more than rounding and errors explain."""
        slack = self.slack + point.doubt + probe.doubt
        return not probe.objective <= point.objective + slack

    def certificate(self, state):
        """Measure how far the next step would go."""
        probe, point = self._probe(state), state.point
        if max(probe.residual, point.error) <= self.tol:
            # Both plans may be far from the solutions whose difference is meant.
            state.share = CONFIRM * state.share
            state.probe, start = None, probe.start
            state.residual = probe.residual
            probe = self._probe(state, start)
        elif probe.residual > SLOW * state.residual:
            # Perhaps what is left are the errors of the plans, which can be much larger
            # than those of their marginals.
            state.share = min(state.share, max(0.3 * state.share, LEAST_SHARE))
        state.residual = probe.residual
        value = max(probe.residual, point.error)
        state.patience.floor = self._floor(state.tau)
        return Measure(
            point.objective,
            value,
            extra={
                "residual": probe.residual,
                "marginal_error": point.error,
                "tau": state.tau,
                "n_inner": state.n_inner,
                "inner_converged": float(probe.solved),
            },
            stalled=state.patience.exhausted(value),
        )

    def finalize(self, state):
        """Return the plan with its certificate."""
        probe, point = self._probe(state), state.point
        f, g = probe.start
        return GromovSolution(
            point.P,
            f,
            g,
            point.cost,
            point.linear,
            point.quadratic,
            probe.residual,
            point.error,
            probe.solved,
        )

    def pack(self, state):
        """Return the state as arrays and numbers."""
        return {"P": state.point.P, "tau": state.tau}

    def unpack(self, packed):
        """Return the state of what :meth:`pack` returned."""
        state = self.start(asarray_like(packed["P"], self.a))
        state.tau = packed["tau"]
        return state

    def _floor(self, tau):
        """Return the error that rounding makes in a plan of a step."""
        return self.unit * max(1.0, self.scale / (self.eps + tau))

    def _probe(self, state, start=None):
        """Return where a step with the present tau leads."""
        if state.probe is None:
            tol = inner_tolerance(state.residual, self.tol, state.share)
            start = state.point.start if start is None else start
            state.probe = GromovProbe(
                self, state.point, state.tau, max(tol, self._floor(state.tau)), start
            )
            state.n_inner += state.probe.n_iter
        return state.probe


def random_plan(rng, spaces, a, b, reg):
    """Return a plan that favours pairs at random, to start from.

    Parameters
    ----------
    rng : numpy.random.Generator
        On the host.
    spaces : object
        Costs, for the scale.
    a, b : array of shape (n,), (m,)
        Masses.
    reg : float
        Regularisation.

    Returns
    -------
    P : array of shape (n, m)
    """
    scale = max(largest_gradient(spaces, a, b), reg)
    noise = asarray_like(scale * rng.random(spaces.shape), a)
    found = solve_balanced(DenseGeometry(noise), a, b, 0.05 * scale, 1e-3).solution
    return namespace(a).exp(
        (found.f[:, None] + found.g[None, :] - noise) * (1.0 / (0.05 * scale))
    )
