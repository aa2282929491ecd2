"""Plans for a stream of costs, each chosen before its cost is known.

Problem: choose P_t in the transport polytope, then pay <P_t, C_t>, t = 1 .. T. The mean
regret is the mean payment less min_Q <Q, C>, C the mean cost, Q one plan for all
rounds. Mirror descent (:mod:`skopt2.solvers.transport.mirror`) keeps it below a
multiple of sqrt(delta / T) B; a lower bound of the minimum bounds it a posteriori.
"""

from skopt2._core.array import accumulation_dtype, asarray_like, move, namespace
from skopt2._core.result import Certificate
from skopt2.solvers.certificate import GAP
from skopt2.solvers.transport.rounding import round_to_marginals


class CostStream:
    """The costs paid so far, the plans that paid them, and the plan for the next.

    Parameters
    ----------
    solver : MirrorDescent
        Without an objective.
    source, target : Target
        Where the attributes go, and where the stream is computed.
    """

    def __init__(self, solver, source, target):
        self.solver, self.source, self.target = solver, source, target
        self.state = solver.start()
        self.shape = tuple(int(k) for k in self.state.P.shape)
        self.plan = solver.independent
        xp = namespace(self.plan)
        self.costs = xp.zeros_like(self.plan)
        self.plans = xp.zeros_like(self.plan)
        self.paid = 0.0

    def take(self, cost):
        """Pay the cost of this round with the plan at hand, and choose the next.

        Parameters
        ----------
        cost : array of shape (n, m)
            On the target.
        """
        xp = namespace(cost)
        cost = asarray_like(cost, self.plan)
        self.paid += float(xp.sum(cost * self.plan, dtype=accumulation_dtype(cost)))
        self.costs = self.costs + cost
        self.plans = self.plans + self.plan
        self.state = self.solver.advance(self.state, cost)
        self.plan = round_to_marginals(self.state.P, self.solver.a, self.solver.b)

    def attributes(self, tol):
        """Return the fitted attributes.

        Parameters
        ----------
        tol : float
            Tolerance of the certificate.

        Returns
        -------
        attributes : dict
            Arrays where the input lived.
        """
        t, solver = self.state.t, self.solver
        mean = self.costs / t
        lower = solver.linear_bound(mean, self.state)
        xp = namespace(mean)
        independent = float(
            xp.sum(mean * solver.independent, dtype=accumulation_dtype(mean))
        )
        objective = self.paid / t
        gap = objective - lower
        scale = independent - lower
        certificate = Certificate(GAP, gap / scale if scale > 0 else gap, tol)
        return {
            "plan_": move(self.plan, self.source),
            "average_": move(self.plans / t, self.source),
            "objective_": objective,
            "dual_gap_": gap,
            "certificate_": certificate,
            "n_iter_": t,
            "converged_": certificate.holds,
            "stop_reason_": "stream",
            "device_": self.target.label,
        }
