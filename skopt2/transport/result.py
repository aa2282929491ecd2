"""What a transport problem returns: potentials, their certificate, and the plan."""

import functools
from dataclasses import dataclass, field
from typing import Any

from skopt2._core.array import move, namespace
from skopt2._core.result import Certificate, brief_repr
from skopt2.solvers.transport.certificate import bound


@dataclass(frozen=True, eq=False)
class TransportResult:
    """Solution of an entropic transport problem.

    The plan is P_ij = exp((f_i + g_j - cost_ij) / reg). It is computed when asked for:
    for point clouds whose costs are streamed, :meth:`apply` needs far less memory.

    Attributes
    ----------
    potentials : tuple of array
        ``(f, g)`` of shapes (n,) and (m,), in the units of the cost; -inf where there
        is no mass.
    objective : float
        Dual objective <a, f> + <b, g> - reg * sum(P), in units of cost times mass. It
        is a lower bound on min <P, cost> + reg * sum(P (log P - 1)).
    marginal_error : float
        ``|P 1 - a|_1 + |P' 1 - b|_1`` of the returned potentials, divided by the
        total mass.
    converged : bool
        Whether the marginal error reached the tolerance.
    stop_reason : str
        ``"converged"``, ``"max_iter"``, ``"time_limit"``, ``"callback"``, ``"stalled"``
        (at the floor of rounding) or ``"diverged"``.
    n_iter : int
        Sweeps and Newton steps.
    history : dict of ndarray
        One row per measure: ``iteration``, ``time`` in seconds, ``objective``,
        ``certificate`` (the marginal error), ``reg`` of the level, ``omega`` (the
        relaxation of the sweeps, 0 for Newton steps).
    certificate : Certificate
        Marginal error beside its tolerance.
    solver : str
        Algorithm that finished: ``"sinkhorn"`` or ``"newton"``.
    reg : float
        Regularisation, in the units of the cost.
    """

    potentials: tuple
    objective: float
    marginal_error: float
    converged: bool
    stop_reason: str
    n_iter: int
    history: dict
    certificate: Certificate
    solver: str
    reg: float
    _problem: Any = field(repr=False)
    _inner: tuple = field(repr=False)

    __repr__ = brief_repr

    @functools.cached_property
    def plan(self):
        """Transport plan of shape (n, m), where the cost is."""
        problem, (f, g) = self._problem, self._inner
        inner = problem.geometry.plan(f, g, self.reg) * problem.mass
        return move(problem.extend_plan(inner), problem.source)

    @functools.cached_property
    def cost(self):
        """Transport cost <P, cost>, in units of cost times mass."""
        inner = self._problem.geometry.inner(*self._inner, self.reg)
        return self._problem.mass * inner

    @functools.cached_property
    def dual_gap(self):
        """Bound on the error of the objective, in units of cost times mass.

        The primal objective of the plan rounded onto the marginals (Altschuler, Weed
        and Rigollet, 2017) less the dual objective; never negative.
        """
        return self._problem.mass * self._bound.gap

    @functools.cached_property
    def rounded_cost(self):
        """Transport cost of the plan rounded onto the marginals.

        That plan is feasible, so this is an upper bound on the cost of unregularised
        transport.
        """
        return self._problem.mass * self._bound.cost

    @functools.cached_property
    def _bound(self):
        problem = self._problem
        arguments = (*self._inner, self.reg, problem.a, problem.b)
        return bound(problem.geometry, *arguments)

    def apply(self, V):
        """Return the product of the plan with a vector or a matrix.

        Parameters
        ----------
        V : array of shape (m,) or (m, k)
            Where the cost is.

        Returns
        -------
        PV : array of shape (n,) or (n, k)
            Computed without holding the plan.
        """
        return self._product(V, transposed=False)

    def apply_t(self, U):
        """Return the product of the transposed plan with a vector or a matrix.

        Parameters
        ----------
        U : array of shape (n,) or (n, k)
            Where the cost is.

        Returns
        -------
        PtU : array of shape (m,) or (m, k)
            Computed without holding the plan.
        """
        return self._product(U, transposed=True)

    def _product(self, V, transposed):
        problem, (f, g) = self._problem, self._inner
        given, extend = problem.cols, problem.extend_rows
        times = problem.geometry.apply
        if transposed:
            given, extend = problem.rows, problem.extend_cols
            times = problem.geometry.apply_t
        V = move(V, problem.target)
        V = V if given is None else namespace(V).take(V, given, axis=0)
        product = times(f, g, self.reg, V) * problem.mass
        return move(extend(product), problem.source)
