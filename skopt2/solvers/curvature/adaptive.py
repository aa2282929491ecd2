"""Products while they pay, matrices where they do not: the default without a kink.

Problem and symbols: :mod:`skopt2.solvers.curvature.field`, for quadratic penalties.

The method starts with the steps of
:class:`~skopt2.solvers.curvature.polynomial_gradient.PolynomialGradient`, which cost
products with A, and goes over to those of
:class:`~skopt2.solvers.curvature.damped_newton.DampedNewton`, which cost matrices,
where these are expected to take less time. Both are monotone, and so is what they make
together.

How long the products would still take is measured. With l_k the dual norm of the
gradient after iteration k, the rate is rho = (l_k / l_{k-WINDOW})^(1/WINDOW), and an
iterate whose distance from stationarity is v needs

    log(v / goal) / log(1 / rho)

more iterations, each of PRODUCTS products with A. How long Newton steps would take is
counted: STEPS of them, in the operations of :func:`newton_work`. Nothing here looks at
a clock: the same data take the same steps.

Once matrices have won they are kept for the next levels of a path, on the same columns.

Where neither converges in LIMIT steps, or rounding stops both, as with a row a million
times as large as the others, :class:`~skopt2.solvers.working_set.WorkingSetNewton` goes
on from there.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

from skopt2.solvers.curvature.damped_newton import DampedNewton
from skopt2.solvers.curvature.matrix import CG_LIMIT, choose_mode
from skopt2.solvers.curvature.method import CurvatureMethod
from skopt2.solvers.curvature.polynomial_gradient import PolynomialGradient
from skopt2.solvers.working_set import WorkingSetNewton

# Iterations over which a rate is measured.
WINDOW = 3
# Products with A of a polynomial iteration, and operations on each sample beside them.
PRODUCTS, BESIDE = 11, 150
# Newton steps that are to be expected from a point where a rate is known.
STEPS = 4
# Operations of a matrix product in the time of one of a vector, as a rule.
FASTER = 6.0
# Products of a Newton step in the samples' space.
REFINED = 20
# Steps of the solver at one level after which something else had better be tried.
LIMIT = 60


@dataclass(frozen=True)
class Trail:
    """What the method remembers.

    Parameters
    ----------
    inner : object
        What the method that is running remembers.
    lengths : tuple of float
        Dual norms of the last gradients.
    """

    inner: Any
    lengths: tuple = ()


class AdaptiveCurvature(CurvatureMethod):
    """Polynomial gradient steps, then Newton steps if these are cheaper.

    Parameters
    ----------
    problem : LinearProblem
        A loss with a curvature, a quadratic penalty.
    tol : float
        Tolerance of the certificate.
    """

    name = "curvature"
    takes = "smooth"

    def __init__(self, problem, tol):
        super().__init__(problem, tol)
        self._poly = PolynomialGradient(problem, tol)
        self._newton = DampedNewton(problem, tol)
        self._poly.counts = self._newton.counts = self.counts
        self._goal_now = math.inf
        self._steps, self._tired, self._rescue = 0, False, None
        self._take(self._poly)

    def init(self, start=None):
        """Return the state of a start; see FirstOrder."""
        self._steps, self._tired, self._rescue = 0, False, None
        return super().init(start)

    def step(self, state):
        """Run some iterations, or a step of the solver that takes over."""
        if self._rescue is None and self._tired:
            solution = super().finalize(state)
            self._rescue = WorkingSetNewton(self.problem, self.tol)
            state = self._rescue.init(solution)
        if self._rescue is not None:
            return self._rescue.step(state)
        self._steps += 1
        self._tired = self._steps >= LIMIT
        return super().step(state)

    def certificate(self, state):
        """Return objective and certificate, and what they have cost so far."""
        if self._rescue is not None:
            measure = self._rescue.certificate(state)
            measure.extra.update(self.counts)
            return measure
        measure = super().certificate(state)
        self._tired = self._tired or measure.stalled
        return replace(measure, stalled=False)

    def finalize(self, state):
        """Return the solution."""
        rescue = self._rescue
        return rescue.finalize(state) if rescue else super().finalize(state)

    def pack(self, state):
        """Return the state as plain arrays, for a checkpoint."""
        return self._rescue.pack(state) if self._rescue else super().pack(state)

    def retarget(self, state, lam):
        """Return the state with a new target level, for the next point of a path."""
        self._steps, self._tired = 0, False
        if self._rescue is not None:
            return self._rescue.retarget(state, lam)
        return super().retarget(state, lam)

    def _take(self, method):
        """Go on with one of the two methods."""
        self._method, self.period = method, method.period

    def _minimise(self, model, point, lam, goal, final):
        """Run some iterations; see FirstOrder."""
        self._goal_now = goal
        return super()._minimise(model, point, lam, goal, final)

    def _begin(self, field, local):
        return Trail(self._method._begin(field, local))

    def _advance(self, field, run):
        """Take one step; see CurvatureMethod."""
        local, trail = run.local, run.memory
        lengths = (*trail.lengths, run.length)[-WINDOW - 1 :]
        if self._method is self._poly and self._slow(field, local, lengths):
            self._take(self._newton)
            trail = Trail(self._newton._begin(field, local))
        inner = self._run_at(field, local, trail.inner)
        new = self._method._advance(field, inner)
        return self._run_at(field, new.local, Trail(new.memory, lengths))

    def _slow(self, field, local, lengths):
        """Tell whether Newton steps are expected to end sooner."""
        left = iterations_left(lengths, field.stationarity(local), self._goal_now)
        if left <= 0.0:
            return False
        products, newton = work(field)
        return left * products > STEPS * newton


def iterations_left(lengths, distance, goal):
    """Return how many iterations a linear rate would still take.

    Parameters
    ----------
    lengths : tuple of float
        Norms of the gradient, the last one at the end; no rate is known, and 0 is
        returned, if they are not WINDOW + 1.
    distance, goal : float
        Distance from stationarity, and that to reach.
    """
    if len(lengths) <= WINDOW or not distance > goal:
        return 0.0
    fall = lengths[0] / max(lengths[-1], 1e-300)
    if not fall > 1.0 or not goal > 0.0:
        return math.inf
    return WINDOW * math.log(distance / goal) / math.log(fall)


def work(field):
    """Return the work of a polynomial iteration and of a Newton step.

    Parameters
    ----------
    field : Field
        The problem.
    """
    problem, X = field.problem, field.model.X
    n, K = problem.design.n, problem.n_outputs
    entries = X.nnz if hasattr(X, "nnz") else n * field.N
    product = 2.0 * entries * K
    polynomial = PRODUCTS * product + BESIDE * n * K
    return polynomial, newton_work(problem, n, field.N, entries, product)


def newton_work(problem, n, N, entries, product):
    """Return the work of a Newton step, in operations of products with vectors.

    Parameters
    ----------
    problem : LinearProblem
        The problem.
    n, N : int
        Samples, unknowns of an output.
    entries : int
        Entries of A that are stored.
    product : float
        Work of a product with A.
    """
    design, K = problem.design, problem.n_outputs
    coupled, sparse = K > 1, design.sparse
    mode = choose_mode(n, N, K, coupled, sparse, design.on_host)
    if mode == "cg":
        return 2.0 * CG_LIMIT * product
    if mode == "samples":
        # The kernel is the same for all steps, but for the rounded regulariser.
        kernel = 2.0 * n * entries / (1.0 if sparse else FASTER)
        factor = n**3 / 3.0 / FASTER
        return kernel / STEPS + factor + REFINED * product
    pairs = K * (K + 1) // 2
    # Products of sparse columns touch what two of them have in common.
    gram = 2.0 * entries * entries / n if sparse else 2.0 * n * N * N / FASTER
    return pairs * gram + (K * N) ** 3 / 3.0 / FASTER + 2.0 * product
