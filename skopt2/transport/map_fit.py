"""Fitting the maps between two point clouds: the problems to solve, and their order.

Symbols: x_i (n, d), y_j (m, d) the points with masses a (n,), b (m,) of sum one; eps
the regularisation; P (n, m) the plan. Both clouds are centred where the cost allows it,
see :mod:`skopt2.transport.centred_clouds`: then the unit of the regularisation does not
depend on how far apart the clouds are, and a shift of one cloud shifts its images and
changes nothing else.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from skopt2._core.array import namespace
from skopt2._core.result import Certificate, History, Result, StopReason
from skopt2.solvers.transport.certificate import MARGINAL_ERROR
from skopt2.solvers.transport.state import Potentials
from skopt2.solvers.transport.symmetric import self_transport
from skopt2.transport.centred_clouds import Clouds
from skopt2.transport.cost_scale import check_divisor, check_magnitude, cloud_scale
from skopt2.transport.entropic_map import (
    DebiasedMap,
    EntropicMap,
    ProgressiveMap,
    advance,
)
from skopt2.transport.label_cost import LabelCost
from skopt2.transport.point_cloud import PointCloud
from skopt2.transport.problem import check_problem
from skopt2.transport.sinkhorn import (
    MAX_ITER,
    check_start,
    describe,
    solve,
)
from skopt2.transport.unbalanced import keep_masses, solve_unbalanced

# Factor on the tolerance of a measure to itself: each factor of 3 is one cheap step.
TIGHTER = 1e-4
# Outcomes of a problem after which the next one makes sense.
GO_ON = ("converged", "stalled")
# Change of the class shares, summed over the mass, that ends the rounds of labels.
SETTLED = 1e-5


@dataclass(frozen=True)
class Settings:
    """Checked parameters of a fit.

    Parameters
    ----------
    reg : float
        Regularisation, in the unit that ``normalize_cost`` names.
    metric : str or callable
        Ground cost.
    normalize_cost : {None, "mean", "max", "median"}
        Unit.
    map : {"entropic", "debiased", "progressive"}
        Kind of map.
    n_steps : int
        Steps of a progressive map.
    label_reg, label_limit : float
        Weight of the group penalty in that unit, and cost of a pair of different
        classes in units of the largest cost.
    n_rounds : int
        Rounds of the group penalty.
    reg_marginal : tuple of float or None
        Prices of leaving the masses, in that unit; None for balanced transport.
    tol : float
        Tolerance of the marginal error.
    options : dict
        ``solver``, ``max_iter``, ``time_limit``.
    """

    reg: float
    metric: Any = "sqeuclidean"
    normalize_cost: Any = "mean"
    map: str = "entropic"
    n_steps: int = 4
    label_reg: float = 0.0
    label_limit: float = 10.0
    n_rounds: int = 10
    reg_marginal: Any = None
    tol: float = 1e-6
    options: dict = field(default_factory=dict)


class MapFit:
    """The problems of one fit, and the maps that their solutions give.

    Parameters
    ----------
    settings : Settings
        Checked parameters.
    X, Y : array of shape (n, d), (m, d)
        Points, on the device that computes.
    a, b : array of shape (n,), (m,) or None
        Masses of sum one.
    labels : Labels or None
        Classes that make costs.
    same : bool
        Whether both measures are the same, and no class of the second is known.
    """

    def __init__(self, settings, X, Y, a, b, labels=None, same=False):
        self.settings, self.X, self.Y = settings, X, Y
        self.balanced = settings.reg_marginal is None
        self.first = self.clouds = self._clouds(X, a, b)
        c = self.clouds
        parts = (c.X, c.Y, c.a, c.b, c.metric)
        check_magnitude(*parts)
        self.scale = cloud_scale(*parts, settings.normalize_cost)
        self.eps = settings.reg * self.scale
        check_divisor(self.eps, c.X)
        self.symmetric = same and isinstance(settings.metric, str) and self.balanced
        self.own = self.labels = self.problem = None
        self.own_error = 0.0
        self.passed, self.shares = [], []
        if labels is not None:
            self.C = self.clouds.costs()
            limit = settings.label_limit * float(namespace(X).max(self.C))
            eta = settings.label_reg * self.scale
            self.labels = LabelCost(labels, limit, eta, self.C)

    def _clouds(self, X, a, b):
        """Return the clouds of points of the source, and those of the target."""
        return Clouds.of(X, self.Y, a, b, self.settings.metric, self.balanced)

    def run(self, start=None, monitor=None, resume=None):
        """Solve all problems.

        Parameters
        ----------
        start : tuple of array, default=None
            Potentials for the points where they are.
        monitor, resume : object, default=None
            As in :func:`skopt2._core.iterate.iterate`.

        Returns
        -------
        result : Result
            Its solution is for :meth:`describe`.
        """
        kind = self.settings.map
        if kind == "debiased":
            sides = (self.clouds, self.clouds.swapped())
            self.own = [self._own_map(clouds) for clouds in sides]
        several = kind == "progressive" or self.settings.label_reg > 0.0
        if resume is not None and several:
            # The state may be that of a later problem, which waits for the first.
            resume = {name: resume[name] for name in ("n_iter", "history")}
        found = self._solve(self._inside(start), monitor, resume)
        # Later problems have moved points or costs of classes.
        self.symmetric = False
        if kind == "progressive":
            found = self._progress(found, monitor)
        elif self.labels is not None and self.settings.label_reg > 0.0:
            found = self._rounds(found, monitor)
        return self._conclude(found)

    def forward(self):
        """Solve one problem, and return the map to the second cloud alone.

        Returns
        -------
        one : EntropicMap or DebiasedMap
            The map.
        found : TransportResult
            The solution.
        """
        found = self._solve()
        one = self._forward(found)
        if self.settings.map == "debiased":
            one = DebiasedMap(one, self._own_map(self.clouds))
        return one, found

    def _inside(self, start):
        """Return potentials for the centred points."""
        if start is None:
            return None
        zeros = [namespace(v).zeros_like(v) for v in start]
        shifts = self.clouds.outside(*zeros)
        return [v - shift for v, shift in zip(start, shifts, strict=True)]

    def _solve(self, start=None, monitor=None, resume=None):
        """Solve the present problem, and return its TransportResult."""
        clouds, settings = self.clouds, self.settings
        if self.labels is None:
            cost = PointCloud(clouds.X, clouds.Y, clouds.metric)
        else:
            cost = self.labels.add_to(self.C)
        self.problem = problem = check_problem(clouds.a, clouds.b, cost)
        watch = {"monitor": monitor, "resume": resume, "tol": settings.tol}
        if not self.balanced:
            return self._solve_unbalanced(start, watch)
        if self.symmetric:
            result, name = self._solve_self(problem), "symmetric"
        else:
            watch |= settings.options
            result, name = solve(problem, self.eps, start=start, **watch)
        return describe(problem, self.eps, result, name)

    def _solve_unbalanced(self, start, watch):
        """Return the solution of an unbalanced problem."""
        settings = self.settings
        self.problem = problem = keep_masses(self.problem)
        prices = tuple(self.scale * price for price in settings.reg_marginal)
        limit = settings.options["max_iter"]
        return solve_unbalanced(
            problem,
            self.eps,
            prices,
            check_start(problem, self.eps, start),
            max_iter=MAX_ITER if limit is None else limit,
            time_limit=settings.options["time_limit"],
            **watch,
        )

    def _solve_self(self, problem):
        """Return the result of a measure to itself."""
        tol, masses = self.settings.tol, problem.a
        found = self_transport(problem.geometry, masses, self.eps, TIGHTER * tol)
        error = found.certificate.value
        return replace(
            found,
            certificate=Certificate(MARGINAL_ERROR, error, tol),
            reason=StopReason.CONVERGED if error <= tol else found.reason,
        )

    def _own_map(self, clouds):
        """Return the map of the first of two clouds to itself."""
        X, mean, a = clouds.X, clouds.mean_x, clouds.a
        problem = check_problem(a, a, PointCloud(X, X, clouds.metric))
        tol = TIGHTER * self.settings.tol
        found = self_transport(problem.geometry, problem.a, self.eps, tol)
        self.own_error = max(self.own_error, found.certificate.value)
        h, _ = problem.extend(found.solution.f, found.solution.g)
        return EntropicMap(mean, X, X, mean, h, self.eps, clouds.metric)

    def _progress(self, found, monitor):
        """Solve the later steps of a progressive map.

        Step k goes 1 / (n_steps - k) of what is left of the way, and the regularisation
        falls with the share that is left.
        """
        X, steps = self.X, self.settings.n_steps
        for k in range(steps - 1):
            if found.stop_reason not in GO_ON:
                break
            one, share = self._forward(found), 1.0 / (steps - k)
            X = advance(X, one, share)
            self.passed.append(one)
            self.shares.append(share)
            first = self.first
            self.clouds = self._clouds(X, first.a, first.b)
            self.eps = self.settings.reg * self.scale * (steps - k - 1) / steps
            found = self._next(found, monitor)
        return found

    def _rounds(self, found, monitor):
        """Solve the problems of the tangents of the group penalty."""
        b = self.problem.extend_cols(self.problem.b)
        q = self.labels.shares_of(found, b)
        for _ in range(self.settings.n_rounds):
            if found.stop_reason not in GO_ON:
                break
            self.labels.tighten(q)
            found = self._next(found, monitor)
            old, q = q, self.labels.shares_of(found, b)
            if self.labels.change(old, q, b) <= SETTLED:
                break
        return found

    def _next(self, found, monitor):
        """Solve a further problem from the solution of the last, and go on counting."""
        # Without "state": from the potentials, not from a checkpoint.
        past = {"n_iter": found.n_iter, "history": found.history}
        return self._solve(found.potentials, monitor, past)

    def _conclude(self, found):
        """Return the result of all problems."""
        problem, tol = self.problem, self.settings.tol
        masses = problem.extend_rows(problem.a), problem.extend_cols(problem.b)
        error, reason = found.marginal_error, StopReason(found.stop_reason)
        if self.own_error > tol and error <= tol:
            error, reason = self.own_error, StopReason.STALLED
        return Result(
            found,
            found.objective + self.clouds.offset(*masses),
            Certificate(MARGINAL_ERROR, error, tol),
            reason,
            found.n_iter,
            History(found.history),
            found.dual_gap,
        )

    def describe(self, solution):
        """Return the fitted attributes of a solution.

        Parameters
        ----------
        solution : TransportResult or Potentials
            At the end of a fit, or in the middle of it.

        Returns
        -------
        attributes : dict
            On the device that computes.
        """
        found = solution
        if isinstance(solution, Potentials):
            none = Certificate(MARGINAL_ERROR, 0.0, 0.0)
            result = Result(solution, 0.0, none, StopReason.CALLBACK, 0, History())
            found = describe(self.problem, self.eps, result, "")
        forward, backward = self._forward(found), self._backward(found)
        maps = (forward, backward)
        if self.own is not None:
            maps = [DebiasedMap(*pair) for pair in zip(maps, self.own, strict=True)]
        elif self.passed:
            chain = ProgressiveMap([*self.passed, forward], [*self.shares, 1.0])
            maps = (chain, backward)
        return {
            "potentials_": self.clouds.outside(*found.potentials),
            "reg_": self.eps,
            "cost_scale_": self.scale,
            "cost_": self._cost(found),
            "marginal_error_": max(found.marginal_error, self.own_error),
            "_maps": tuple(maps),
            "_last": (forward, backward),
            "_label_costs": None if self.labels is None else self.labels.parts,
        }

    def _cost(self, found):
        """Return what the plan costs, for the points where they are."""
        if self.passed:
            return self.first.squared_cost(found)
        xp = namespace(self.X)
        sides = (xp.ones_like(self.Y[:, 0]), xp.ones_like(self.X[:, 0]))
        sums = found.apply(sides[0]), found.apply_t(sides[1])
        cost = found.cost + self.clouds.offset(*sums)
        return cost if self.labels is None else cost - self.labels.part_of(found)

    def _forward(self, found):
        """Return the map to the second cloud."""
        c, classes = self.clouds, None
        if self.labels is not None:
            masses = self.problem.extend_rows(self.problem.a)
            classes = self.labels.around_rows(c.X, masses, self.eps, c.metric)
        g = found.potentials[1]
        parts = (c.mean_x, c.Y, c.Y, c.mean_y, g, self.eps, c.metric)
        return EntropicMap(*parts, classes)

    def _backward(self, found):
        """Return the map to the first cloud, where it was before any progress."""
        c, first, classes = self.clouds, self.first, None
        if self.labels is not None:
            masses = self.problem.extend_cols(self.problem.b)
            classes = self.labels.around_cols(c.Y, masses, self.eps, c.metric)
        f = found.potentials[0]
        parts = (c.mean_y, c.X, first.X, first.mean_x, f, self.eps, c.metric)
        return EntropicMap(*parts, classes)
