"""Transport of a measure to itself: what a Sinkhorn divergence subtracts."""

import math
from dataclasses import dataclass
from typing import Any

from skopt2._core.array import max_abs, move
from skopt2._core.iterate import iterate
from skopt2._core.result import Result
from skopt2.solvers.transport.certificate import MARGINAL_ERROR, bound
from skopt2.solvers.transport.symmetric import SymmetricScaling
from skopt2.solvers.transport.unbalanced import UnbalancedScaling
from skopt2.transport.sinkhorn import MAX_ITER, check_start


@dataclass(frozen=True, eq=False)
class SelfTerm:
    """Solution of a transport problem between a measure and itself.

    Parameters
    ----------
    problem : TransportProblem
        Both sides the same, with the masses that the solver had.
    reg : float
        Regularisation.
    rho : float
        Price of leaving the masses; inf for balanced transport.
    result : Result
        Of the loop.
    """

    problem: Any
    reg: float
    rho: float
    result: Result

    @property
    def inner(self):
        """Potentials of the geometry."""
        return self.result.solution.f, self.result.solution.g

    @property
    def potential(self):
        """Potential p of all points, P_ij = exp((p_i + p_j - cost_ij) / reg)."""
        problem = self.problem
        shift = 0.5 * self.reg * math.log(problem.mass)
        p, _ = problem.extend(*(z + shift for z in self.inner))
        return move(p, problem.source)

    @property
    def value(self):
        """Optimal value, without the constant reg * (total mass)^2."""
        return self.problem.mass * self.result.objective

    def gap(self):
        """Return a bound on the error of the value."""
        problem, (f, g) = self.problem, self.inner
        masses = problem.a, problem.b
        if math.isinf(self.rho):
            found = bound(problem.geometry, f, g, self.reg, *masses)
            return problem.mass * found.gap
        prices = (self.rho, self.rho)
        method = UnbalancedScaling(problem.geometry, *masses, self.reg, prices)
        return method.gap(f, g)


def solve_self_term(problem, reg, rho, start, *, tol, max_iter, time_limit):
    """Solve transport of a measure to itself.

    Parameters
    ----------
    problem : TransportProblem
        Of a symmetric cost, both sides the same.
    reg : float
        Regularisation.
    rho : float
        Price of leaving the masses; inf for balanced transport.
    start : array of shape (n,) or None
        Potential to start from.
    tol : float
        Tolerance of the marginal error.
    max_iter : int or None
        Largest number of steps.
    time_limit : float or None
        Seconds after which to stop.

    Returns
    -------
    found : SelfTerm

    Raises
    ------
    ValueError
        If the cost is not symmetric.
    """
    with problem.target.activate():
        geometry = problem.geometry
        check_symmetric(geometry, reg, problem.a)
        method = SymmetricScaling(geometry, problem.a, reg, rho)
        pair = None if start is None else (start, start)
        f, _ = check_start(problem, reg, pair)
        result = iterate(
            method,
            method.start(f),
            tol=tol,
            max_iter=MAX_ITER if max_iter is None else max_iter,
            check_every=method.interval,
            time_limit=time_limit,
            name=MARGINAL_ERROR,
        )
    return SelfTerm(problem, reg, rho, result)


def check_symmetric(geometry, reg, like):
    """Raise ValueError unless the costs are those of their transpose.

    Parameters
    ----------
    geometry : object
        Costs between equal points on both sides.
    reg : float
        Regularisation.
    like : array of shape (n,)
        Anything of the device and dtype of the potentials.
    """
    xp = geometry.xp
    zeros = xp.zeros_like(like)
    difference = geometry.row_softmin(zeros, reg) - geometry.col_softmin(zeros, reg)
    unit = float(xp.finfo(geometry.dtype).eps)
    if max_abs(difference) > 1e3 * unit * max(geometry.scale, reg):
        raise ValueError(
            "metric must be symmetric, metric(X, Y) = metric(Y, X).T: the divergence "
            "compares each measure with itself. Symmetrise it, or use sinkhorn."
        )
