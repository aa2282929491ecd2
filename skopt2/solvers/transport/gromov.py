"""Entropic Gromov-Wasserstein transport by linearisation, fused or not.

Problem: min_P E(P) = F(P) + eps * sum P (log P - 1) over plans with the marginals a and
b, F(P) = (1 - alpha) <M, P> + alpha Q(P), Q the quadratic cost of
:mod:`skopt2.solvers.transport.gromov_costs`. Symbols: a (n,), b (m,), M (n, m) costs
between the spaces, G = grad F(P), Z = log P.

One step: P+ minimises <G, P+> + eps * sum P+ (log P+ - 1) + tau KL(P+ | P), which is a
transport problem with the cost G - tau Z and the regularisation eps + tau. Where Q is
concave on plans, as it is for squared Euclidean distances, E falls for tau = 0.
Elsewhere tau doubles until E falls, and grows where plans swing.

Near the end, with entropy, the map from the cost of a transport problem to the gradient
at its plan is accelerated by Anderson's method: the gradient is affine in P, and
extrapolated costs have plans as good as any. Where E does not fall as far as a plain
step would take it, which is so near saddle points, that step is taken.

The proximal variant has eps = 0 and tau > 0: E is the cost without entropy, and plans
sharpen from step to step. With a fixed tau they do so ever more slowly; with a small
one from the start they end in worse minima. So tau falls by a tenth with each step, and
P in KL(P+ | P) is kept above a small share of a b', from where pairs can come back.

Certificate: see :mod:`skopt2.solvers.transport.gromov_step`, beside the marginal error.
Errors of the marginals change the gradient, and the next plan by about its size over
eps as much: transport problems are solved as accurately as that deserves. The objective
is corrected for them to first order, <f, P 1 - a> + <g, P' 1 - b>.

Sources: G. Peyre, M. Cuturi and J. Solomon, Gromov-Wasserstein averaging of kernel and
distance matrices, ICML 2016, section 2.2; H. Xu et al., Gromov-Wasserstein learning for
graph matching and node embedding, ICML 2019, algorithm 1 (proximal); T. Vayer et al.,
Optimal transport for structured data with application on graphs, ICML 2019 (fused).
"""

from dataclasses import dataclass, field
from typing import Any

from skopt2._core.array import asarray_like, namespace, sum64
from skopt2._core.result import Measure
from skopt2.solvers.transport.anderson import Anderson
from skopt2.solvers.transport.geometry import DenseGeometry
from skopt2.solvers.transport.gromov_costs import largest_gradient
from skopt2.solvers.transport.gromov_step import GromovPoint, follow
from skopt2.solvers.transport.inner import COARSE, solve_balanced
from skopt2.solvers.transport.patience import Patience

# Relative increase of the objective that rounding explains.
ROUNDING = {"float64": 1e-12, "float32": 1e-6}
# Largest tau, relative to the gradient: with it E falls, and only rounding can hide it.
# The factor by which it falls from step to step, and the share of eps below which it is
# dropped.
LARGEST, SHRINK, NEGLIGIBLE = 4.0, 0.7, 1e-3
# Factor between moves, in size, from which their sign means something, and changes of
# sign in a row that do, since plans have errors.
SWING, ROW = 0.3, 2
# Factor by which the weight of the proximal variant falls, and the least one, relative
# to the gradient.
COOL, LEAST = 0.9, {"float64": 1e-5, "float32": 1e-3}
# Share of a b' above which it keeps the plan that the next one stays near. Steps
# multiply: from 1e-300 a pair would need hundreds of them to come back.
FLOOR = 1e-10
# Residual from which steps are extrapolated, and the number of them that are kept.
NEAR, MEMORY = 0.1, 3
# Share of the decrease that a plain step would bring which an extrapolated one has to.
PROMISE = 0.5
# Change of the gradient by the errors of a plan, relative to the residual, and where
# objectives that hardly differ have to be compared.
SHARE, CAREFUL = 0.1, 1e-3


@dataclass(frozen=True)
class GromovSolution:
    """A plan and what proves it stationary.

    Parameters
    ----------
    P : array of shape (n, m)
        Plan.
    f, g : array of shape (n,), (m,)
        Potentials of the linearised problem.
    cost, linear, quadratic : float
        F(P), <M, P> and Q(P).
    residual : float
        Distance from stationary.
    error : float
        Marginal error of P.
    solved : bool
        Whether the last transport problem reached its tolerance.
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
        Plan, gradient, objective and certificate.
    tau : float
        Weight of the Kullback-Leibler term of the next step.
    potentials : tuple of array or None
        To start the next transport problem from.
    move : array of shape (n, m) or None
        Change of the plan in the last plain step.
    swings : int
        Changes of its sign in a row.
    anderson : Anderson
        Memory of costs and gradients.
    n_inner : int
        Sweeps and Newton steps of all transport problems.
    solved : bool
        Whether the last one reached its tolerance.
    given, careful : bool
        Whether the plan is one to start from, and whether the next one has to be
        accurate.
    patience : Patience
        Tells when rounding forbids progress.
    """

    point: Any
    tau: float
    potentials: tuple | None = None
    move: Any = None
    swings: int = 0
    anderson: Anderson = field(default_factory=lambda: Anderson(MEMORY))
    n_inner: int = 0
    solved: bool = False
    given: bool = False
    careful: bool = False
    patience: Patience = field(default_factory=lambda: Patience(0.0))


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
        self.slack = ROUNDING[name] * max(self.scale, self.eps)
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
        return GromovState(GromovPoint(self, P, Z), self.first, given=Z is not product)

    def step(self, state):
        """Go where the objective falls."""
        new = self._extrapolated(state)
        if new is None:
            new = self._descended(state)
            move = new.P - state.point.P
            state.tau, state.move = self._weight(state, move), move
        state.point, state.potentials = new, new.potentials
        state.given = state.careful = False
        return state

    def _weight(self, state, move):
        """Return the weight of the step after a move.

        Near the end moves are multiples of each other. Where they change sign again and
        again the steps go too far: the weight that stops that is the one that makes the
        factor zero. It is dropped again only while moves go the same way.
        """
        tau = state.tau
        if self.eps == 0.0:
            return max(COOL * min(tau, LARGEST * self.scale), self.least)
        factor = 1.0
        if state.move is not None:
            square = sum64(state.move * state.move)
            factor = sum64(move * state.move) / square if square > 0.0 else 0.0
        state.swings = state.swings + 1 if factor < -SWING else 0
        if state.swings >= ROW:
            tau = tau - (self.eps + tau) * max(factor, -1.0)
        elif factor > SWING:
            tau = 0.0 if SHRINK * tau < NEGLIGIBLE * self.eps else SHRINK * tau
        return min(tau, LARGEST * self.scale)

    def _extrapolated(self, state):
        """Return where the last steps together lead; None where it is not lower."""
        point = state.point
        if self.eps == 0.0 or point.residual > NEAR:
            return None
        cost = state.anderson.next(point.G - point.D, point.G, self.xp.sqrt(point.P))
        # At its first step there is nothing to extrapolate.
        if cost is point.G:
            return None
        new = self._follow(state, cost, self.eps)
        # Where plain steps went too far they promise nothing.
        least = PROMISE * point.decrease if state.tau == 0.0 else 0.0
        if self._rises(point, new, least):
            state.anderson.clear()
            return None
        state.move, state.swings = None, 0
        return new

    def _descended(self, state):
        """Return where a plain step leads, with a tau that lets the objective fall."""
        while True:
            point = state.point
            cost = point.G
            if state.tau > 0.0:
                cost = cost - state.tau * self._kept(point.Z)
            new = self._follow(state, cost, self.eps + state.tau)
            if not self._rises(point, new) or state.tau > LARGEST * self.scale:
                return new
            rise = new.objective - point.objective
            if not state.careful and rise < self.scale * (point.error + new.error):
                # Perhaps only the errors of plans say so: both are solved anew.
                state.careful = True
                if self.eps > 0.0:
                    state.point = self._follow(state, point.G - point.D, self.eps)
                continue
            # Twice the weight, and at first that of the entropy.
            state.tau = max(2.0 * state.tau, self.eps)

    def _kept(self, Z):
        """Return the logarithm of a plan that is kept from zero without entropy."""
        if self.eps > 0.0:
            return Z
        xp = self.xp
        least = xp.log(FLOOR * self.a)[:, None] + xp.log(self.b)[None, :]
        return xp.maximum(Z, least)

    def _follow(self, state, cost, reg):
        """Return the plan of a transport problem that is solved well enough."""
        part = (CAREFUL if state.careful else SHARE) * min(1.0, reg / self.scale)
        # A coarse first problem would throw a given plan away.
        wanted = self.tol if state.given else max(self.tol, state.point.residual)
        tol = max(part * wanted, self._floor(reg))
        new, result = follow(self, cost, reg, min(COARSE, tol), state.potentials)
        state.n_inner += result.n_iter
        state.solved = result.certificate.holds
        return new

    def _rises(self, point, new, least=0.0):
        """Tell whether the objective does not fall, but for rounding and errors."""
        slack = self.slack + point.doubt + new.doubt
        return not new.objective <= point.objective - least + slack

    def _floor(self, reg):
        """Return the error that rounding makes in a plan."""
        return self.unit * max(1.0, self.scale / reg)

    def certificate(self, state):
        """Measure how far the plan is from stationary."""
        point = state.point
        value = max(point.residual, point.error)
        state.patience.floor = self._floor(self.eps + state.tau)
        return Measure(
            point.objective,
            value,
            extra={
                "residual": point.residual,
                "marginal_error": point.error,
                "tau": state.tau,
                "n_inner": state.n_inner,
                "inner_converged": float(state.solved),
            },
            stalled=state.patience.exhausted(value),
        )

    def finalize(self, state):
        """Return the plan with its certificate."""
        point = state.point
        return GromovSolution(
            point.P,
            *point.potentials,
            point.cost,
            point.linear,
            point.quadratic,
            point.residual,
            point.error,
            state.solved,
        )

    def pack(self, state):
        """Return the state as arrays and numbers."""
        return {"Z": state.point.Z, "tau": state.tau}

    def unpack(self, packed):
        """Return the state of what :meth:`pack` returned."""
        # The logarithm tells plans apart where exponentials are zero.
        Z = asarray_like(packed["Z"], self.a)
        return GromovState(
            GromovPoint(self, self.xp.exp(Z), Z), packed["tau"], given=True
        )


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
