"""What a Gromov-Wasserstein problem returns: a plan and the proof that it is one."""

import math
from dataclasses import dataclass
from typing import Any

from skopt2._core.array import move
from skopt2._core.result import Certificate, brief_repr
from skopt2.transport.barycenter_result import spread


@dataclass(frozen=True, eq=False)
class GromovResult:
    """Stationary plan between two spaces.

    Attributes
    ----------
    plan : array of shape (n, m)
        Transport plan with the sum one, where the costs are.
    potentials : tuple of array
        ``(f, g)`` of shapes (n,) and (m,) for the linearised cost at the plan; -inf
        where there is no mass.
    cost : float
        (1 - alpha) ``linear_cost`` + alpha ``quadratic_cost``, without entropy.
    linear_cost : float
        <P, M>, 0.0 without ``M``.
    quadratic_cost : float
        Sum of loss(Cx_ik, Cy_jl) P_ij P_kl: the squared Gromov-Wasserstein distance, in
        the limit of small ``reg`` and for the best plan.
    objective : float
        What is minimised: ``cost`` and, unless ``proximal``, the entropy, corrected to
        first order for the marginal error.
    stationarity : float
        Upper bound on the L1 distance of the plan from the solution of transport with
        its own linearised cost and its own marginals. If ``proximal``, on how far that
        cost is above the least of all plans, relative to the largest entry of the
        gradient (Frank-Wolfe gap).
    marginal_error : float
        ``|P 1 - a|_1 + |P' 1 - b|_1``.
    inner_converged : bool
        Whether the last linearised problem was solved to its tolerance, which is much
        below ``tol``.
    converged : bool
        Whether the certificate reached the tolerance.
    stop_reason : str
        ``"converged"``, ``"max_iter"``, ``"time_limit"``, ``"stalled"`` (at the floor
        of rounding) or ``"diverged"``.
    n_iter : int
        Linearisations of the start that was best.
    start_number : int
        Which one that was, from 0.
    history : dict of ndarray
        One row per linearisation of that start: ``iteration``, ``time`` in seconds,
        ``objective``, ``certificate``, ``residual`` (stationarity), ``marginal_error``,
        ``tau`` (weight of the Kullback-Leibler term), ``n_inner`` (sweeps and Newton
        steps so far) and ``inner_converged`` (0 or 1).
    certificate : Certificate
        The larger of stationarity and marginal error beside its tolerance.
    reg : float
        Regularisation, in the units of the loss.
    alpha : float
        Weight of the quadratic term.
    proximal : bool
        Whether ``reg`` was that of the first proximal term.
    """

    plan: Any
    potentials: tuple
    cost: float
    linear_cost: float
    quadratic_cost: float
    objective: float
    stationarity: float
    marginal_error: float
    inner_converged: bool
    converged: bool
    stop_reason: str
    n_iter: int
    start_number: int
    history: dict
    certificate: Certificate
    reg: float
    alpha: float
    proximal: bool

    __repr__ = brief_repr


def describe(result, solver, number, *, index, shape, source):
    """Return what the user gets for the outcome of the loop.

    Parameters
    ----------
    result : Result
        Of the best start.
    solver : GromovSinkhorn
        That found it.
    number : int
        Number of the start.
    index : list of ndarray of int
        Rows and columns that have mass.
    shape : tuple of int
        Numbers of all rows and columns.
    source : Target
        Where the arrays go.

    Returns
    -------
    found : GromovResult
    """
    solution = result.solution
    plan = spread(spread(solution.P.T, index[1], shape[1]).T, index[0], shape[0])
    potentials = tuple(
        move(spread(z, some, n, -math.inf), source)
        for z, some, n in zip((solution.f, solution.g), index, shape, strict=True)
    )
    return GromovResult(
        plan=move(plan, source),
        potentials=potentials,
        cost=solution.cost,
        linear_cost=solution.linear,
        quadratic_cost=solution.quadratic,
        objective=result.objective,
        stationarity=solution.residual,
        marginal_error=solution.error,
        inner_converged=solution.solved,
        converged=result.certificate.holds,
        stop_reason=str(result.reason),
        n_iter=result.n_iter,
        start_number=number,
        history=result.history.as_dict(),
        certificate=result.certificate,
        reg=solver.reg,
        alpha=solver.alpha,
        proximal=solver.eps == 0.0,
    )
