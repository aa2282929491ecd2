"""One fit of the lower level, as exact as the upper level asks for.

Lower level: w(theta) = argmin F, F(b, w) = sum_i s_i l(y_i, b + x_i'w)
+ sum_j (l1_j abs(w_j) + l2_j / 2 w_j^2).
Upper level: g(b, w) = sum_i v_i l_v(y_i, b + x_i'w) over other samples.

A fit that is stopped early is within N of the true one, in a norm below that of the
Hessian (:mod:`bend`), and g is then within norm'(grad g) N + (bend of l_v) N^2 / 2 of
its true value. Under an l1 norm, a coefficient whose gradient stays below l1_j by more
than norm(x_j) sqrt(2 L gap) is zero in the true fit as well; the norm is that of the
others, which may be definite where that of all coefficients is not.

Source: the screening is in the spirit of E. Ndiaye, O. Fercoq, A. Gramfort and J.
Salmon, Gap safe screening rules for sparsity enforcing penalties, JMLR 18, 2017; here
the gradient of the primal point is the centre of the ball.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from skopt2.penalties.elastic_net import ElasticNet
from skopt2.solvers.bilevel import bend
from skopt2.solvers.bilevel.ground import Ground, Point
from skopt2.solvers.bilevel.metric import LIMIT
from skopt2.solvers.certificate import (
    GAP,
    certificate_name,
    duality_gap,
    objective_scale,
)
from skopt2.solvers.choice import make_solver
from skopt2.solvers.problem import LinearProblem
from skopt2.solvers.working_set import WorkingSetNewton

# Certificate of a fit that is as good as exact.
EXACT = 1e-13
# Certificate from which a fit whose support has no norm is not made more exact.
HOPELESS = 1e-6
# Ridge, relative to the diagonal, that makes a singular Hessian one.
RIDGE = 1e-8
# Rounding of a sum, relative to its terms.
ROUNDING = 16.0 * float(np.finfo(np.float64).eps)
# Checks without half the certificate after which Newton, and other solvers, are taken
# to have come as far as they can.
PATIENCE, SLOW_PATIENCE = 10, 300


@dataclass(frozen=True, eq=False)
class Fit:
    """A fit that may be inexact, and what is known of its error.

    Parameters
    ----------
    solution : Solution
        Coefficients.
    state : tuple
        State of the solver and its levels, from where it can go on.
    point : Point
        The fit as arrays.
    kept : ndarray of bool
        Coefficients that can be nonzero in the true fit.
    ground : Ground or None
        Where the bounds were measured.
    value, error : float
        Validation loss and the bound on its error, inf where there is none.
    distance, u : float
        Bounds of :mod:`bend`.
    exact : bool
        True if the solver can do no better.
    """

    solution: object
    state: tuple
    point: Point
    kept: np.ndarray
    ground: Ground | None
    value: float
    error: float
    distance: float
    u: float
    exact: bool


class LowerProblem:
    """Training samples and validation samples of one split.

    Parameters
    ----------
    train, validation : tuple
        X (n, p), dense or sparse, the targets as the loss wants them, and the weights
        with sum 1, in float64 on the host.
    loss, validation_loss : Loss
        Of the lower and of the upper level.
    fit_intercept : bool
        Whether b is free.
    levels : Levels
        What theta means.
    solver : str or object, default="auto"
        As of :func:`skopt2.solvers.choice.make_solver`.
    random_state : None, int or RandomState
        Of stochastic solvers.
    """

    def __init__(
        self,
        train,
        validation,
        loss,
        validation_loss,
        fit_intercept,
        levels,
        solver="auto",
        random_state=None,
    ):
        X, y, s = train
        self._data, self._validation = (X, validation[0]), validation[1:]
        self.loss, self.validation_loss = loss, validation_loss
        self.levels = levels
        lam = np.where(np.isinf(levels.factor), np.inf, 1.0)
        self.problem = LinearProblem(X, y, loss, ElasticNet(0.5), lam, s, fit_intercept)
        self._name, self._random_state = solver, random_state
        self._solver = None
        # Error of the validation loss over the root of the certificate, when last seen.
        self._ratio = 1.0
        self.n_steps = self.n_fits = self.n_products = 0

    def null_excess(self):
        """Return the validation loss of the model without features, less the best."""
        problem, loss = self.problem, self.validation_loss
        y, v = self._validation
        centre = problem.y_mean if self.loss.is_quadratic else problem.null_intercept
        value = loss.value(y, np.zeros(y.shape) + np.asarray(centre), v)
        best = -loss.conjugate(y, np.zeros(y.shape), v)
        return value - best if math.isfinite(best) else abs(value)

    def solve(self, theta, target, start=None):
        """Fit until the validation loss is known to a target, as far as possible.

        Parameters
        ----------
        theta : ndarray of shape (d,)
            Logarithms of the levels.
        target : float
            Error allowed.
        start : Fit, default=None
            At these or at other levels.

        Returns
        -------
        fit : Fit
            Its ``exact`` tells whether the solver can do no better.
        """
        self._set_levels(theta)
        self.n_fits += 1
        # An order under what the last fit needed for the target.
        # Capped before the square, which could overflow.
        tol = min(max(0.1 * min(target / self._ratio, 1.0) ** 2, EXACT), 1e-2)
        state = self._begin(start, tol)
        while True:
            state, measure, stalled = self._reach(state, tol)
            solution = self._solver.finalize(state)
            fit = self._judge(solution, measure.gap, state, stalled or tol <= EXACT)
            if fit.exact or fit.error <= target:
                return fit
            if tol <= HOPELESS and fit.ground is None and not self._has_norm(fit):
                return replace(fit, exact=True)
            ratio = target / fit.error if math.isfinite(fit.error) else 0.0
            if ratio > 0.0 and measure.value > 0.0:
                self._ratio = max(fit.error / math.sqrt(measure.value), 1e-3)
            tol = max(tol * min(max(0.1 * ratio**2, 1e-4), 0.1), EXACT)

    def _set_levels(self, theta):
        """Put the problem at the levels of theta."""
        self._l1, self._l2 = self.levels.at(theta)
        self._lam, ratio = self.levels.elastic_net(theta)
        self.problem.penalty = ElasticNet(ratio)

    def _begin(self, start, tol):
        """Return a state of the solver at the present levels."""
        problem, solver = self.problem, self._solver
        if isinstance(solver, WorkingSetNewton) and start is not None:
            # A working set serves all levels; so does what is known of its columns.
            state, lam = start.state
            problem.set_level(lam)
            # It may have grown since, for other levels: its order stays.
            missing = solver.ids.size - state.w.shape[0]
            if missing:
                room = np.zeros((missing, *state.w.shape[1:]))
                state = replace(state, w=np.concatenate([state.w, room]))
            same = np.array_equal(lam, self._lam)
            return state if same else solver.retarget(state, self._lam)
        problem.set_level(self._lam)
        # Working sets serve all levels, and end nearer to the minimum than they must.
        name = "newton" if self._name == "auto" else self._name
        self._solver = make_solver(problem, name, tol, self._random_state)
        return self._solver.init(None if start is None else start.solution)

    def _reach(self, state, tol):
        """Step to a tolerance; return the state, its measure and whether it stalled."""
        solver, steps, best, idle = self._solver, 0, math.inf, 0
        solver.tol = tol
        every = getattr(solver, "check_every", 1)
        patience = PATIENCE if isinstance(solver, WorkingSetNewton) else SLOW_PATIENCE
        while True:
            for _ in range(every(state) if callable(every) else every):
                state = solver.step(state)
                steps += 1
            measure = solver.certificate(state)
            idle = 0 if measure.value < 0.5 * best else idle + 1
            best = min(best, measure.value)
            stalled = measure.stalled or idle >= patience
            if measure.value <= tol or stalled:
                self.n_steps += steps
                return state, measure, stalled

    def judge(self, theta, solution):
        """Return any coefficients as a fit, with the bounds of its error.

        Parameters
        ----------
        theta : ndarray of shape (d,)
            Logarithms of the levels.
        solution : Solution
            Where excluded features are zero.
        """
        self._set_levels(theta)
        self.problem.set_level(self._lam)
        point = self._point(solution)
        gap = math.nan
        if certificate_name(self.problem) == GAP:
            value = self.problem.penalty_value(solution.w, solution.ids)
            _, gap = duality_gap(self.problem, point.eta, point.gradient, value)
        return self._judge(solution, gap, None, False)

    def _judge(self, solution, gap, state, exact):
        """Return the fit of coefficients, with the bounds of its error."""
        problem, point = self.problem, self._point(solution)
        # A gap is the difference of two sums, and not smaller than their rounding.
        gap += ROUNDING * (objective_scale(problem) + abs(problem.null_value))
        kept = self._matter(point, gap)
        y, v = self._validation
        value = self.validation_loss.value(y, point.eta_validation, v)
        N = u = error = math.inf
        ground = self._ground(point, kept)
        if ground is not None:
            N, u = ground.distance(gap)
            error = ground.value_error(N) + ROUNDING * abs(value)
        packed = state, self._lam
        return Fit(solution, packed, point, kept, ground, value, error, N, u, exact)

    def _point(self, solution):
        """Return a solution as arrays."""
        problem, ids, w = self.problem, solution.ids, solution.w
        full = np.zeros((problem.design.p, *problem.y.shape[1:]))
        full[ids] = w
        b = problem.centred_intercept(ids, w, solution.intercept)
        eta = problem.predictor(ids, w, b)
        slope = problem.weighted_gradient(eta)
        constant = problem.y_mean if problem.loss.is_quadratic else b
        means = problem.design.offset
        if means is not None and ids.size:
            constant = constant - means[ids] @ w
        shape = self._validation[0].shape
        eta_validation = np.zeros(shape) + constant
        if ids.size:
            eta_validation = eta_validation + self._data[1][:, ids] @ w
        free = np.atleast_1d(slope.sum(axis=0))
        return Point(
            full,
            eta,
            eta_validation,
            problem.design.gradient(slope),
            free if problem.explicit_intercept else free[:0],
            self._l1,
            self._l2,
        )

    def _matter(self, point, gap):
        """Tell which coefficients can be nonzero in the true fit."""
        problem = self.problem
        used = np.isfinite(self.levels.factor)
        if not self.levels.has_l1:
            return (
                used if point.w.ndim == 1 else np.repeat(used[:, None], point.K, axis=1)
            )
        l1 = point.column(self._l1)
        radius = math.inf
        if gap >= 0.0:
            steep = bend.gradient_lipschitz(problem.loss, point.eta, gap, problem.s)
            radius = math.sqrt(2.0 * steep * gap)
        size = point.column(np.sqrt(problem.design.squared_norms))
        with np.errstate(invalid="ignore"):
            near = ~(np.abs(point.gradient) + radius * size < l1)
        return (near & point.column(used)) | (point.w != 0)

    def _ground(self, point, kept, ridge=0.0):
        """Return the ground of some coefficients, None where there is no norm."""
        flat = not self.levels.has_l2 or bool((point.l2[self.levels.used] == 0).any())
        if flat and kept.sum() > min(point.eta.size, LIMIT) and not ridge:
            return None
        try:
            return Ground(
                self.problem,
                self._data,
                (*self._validation, self.validation_loss),
                point,
                kept,
                ridge,
            )
        except np.linalg.LinAlgError:
            return None

    def _support(self, fit):
        """Return the coefficients of the fit that are not zero for an l1 norm."""
        penalised = fit.point.column(fit.point.l1) > 0
        return np.where(penalised, fit.point.w != 0, fit.kept)

    def _has_norm(self, fit):
        """Tell whether the support alone has a norm."""
        return self._ground(fit.point, self._support(fit)) is not None

    def slope(self, fit, forcing):
        """Return the slope of the validation loss in theta and a bound of its error.

        Parameters
        ----------
        fit : Fit
            Of any levels.
        forcing : float
            Relative residual of conjugate gradients.

        Returns
        -------
        slope : ndarray of shape (d,)
            On the support of the fit.
        error : float
            inf unless that is known to be the support of the true fit.
        """
        ground = fit.ground
        certain = ground is not None and ground.is_support(fit.distance)
        if not certain and (self.levels.has_l1 or ground is None):
            support = self._support(fit)
            ground = self._ground(fit.point, support)
            if ground is None:
                ground = self._ground(fit.point, support, RIDGE)
        slope, error, products = ground.slope(
            self.levels, forcing, fit.distance, fit.u, certain
        )
        self.n_products += products
        return slope, error
