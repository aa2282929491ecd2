"""One linearised step of Gromov-Wasserstein transport, and what its ends are worth.

Problem: P+ = argmin <G, P+> + eps * sum P+ (log P+ - 1) + tau KL(P+ | R) over plans
with the marginals a (n,) and b (m,), for the gradient G (n, m) at a plan P, where R is
P, or in the proximal variant max(P, FLOOR a b'). With the potentials f (n,) and g (m,),
log P+ = (f + g - G + tau log R) / (eps + tau).

Source: see :mod:`skopt2.solvers.transport.gromov`.
"""

from skopt2._core.array import dot64, namespace, sum64
from skopt2.solvers.transport.geometry import DenseGeometry
from skopt2.solvers.transport.gromov_costs import quadratic
from skopt2.solvers.transport.inner import solve_balanced

# Share of a b' above which the proximal variant keeps a plan that it stays near. Steps
# multiply: from 1e-300 a pair would need hundreds of them to come back.
FLOOR = 1e-10


class GromovPoint:
    """A plan with its logarithm, the gradient and the objective there.

    Parameters
    ----------
    solver : GromovSinkhorn
        Problem.
    P, Z : array of shape (n, m)
        Plan and its logarithm.
    start : tuple of array or None
        Potentials (f, g) that go with the plan.

    Attributes
    ----------
    G : array of shape (n, m)
        Gradient of the cost.
    cost, linear, quadratic : float
        Cost, and its two terms without their weights.
    objective, doubt : float
        What falls from step to step, and the size of the correction that it contains.
    error : float
        Marginal error.
    """

    def __init__(self, solver, P, Z, start):
        xp, eps = solver.xp, solver.eps
        self.P, self.Z, self.start = P, Z, start
        rows, cols = xp.sum(P, axis=1) - solver.a, xp.sum(P, axis=0) - solver.b
        self.error = sum64(xp.abs(rows)) + sum64(xp.abs(cols))
        G = solver.spaces.gradient(P)
        self.quadratic = quadratic(solver.spaces, G, P, rows, cols)
        self.linear, G = 0.0, solver.alpha * G
        if solver.M is not None:
            self.linear = sum64(solver.M * P)
            G = G + (1.0 - solver.alpha) * solver.M
        self.G = G
        self.cost = solver.alpha * self.quadratic + (1.0 - solver.alpha) * self.linear
        self.objective = self.cost
        if eps > 0.0:
            self.objective += eps * (sum64(P * Z) - sum64(P))
        self.doubt = 0.0
        if start is not None:
            # The potentials are the slope along the error of the marginals: without
            # that, plans of different errors do not compare.
            f, g = start
            change = dot64(f - xp.mean(f), rows) + dot64(g - xp.mean(g), cols)
            self.objective -= change
            self.doubt = abs(change)


class GromovProbe:
    """Where a step leads from a point.

    Parameters
    ----------
    solver : GromovSinkhorn
        Problem.
    point : GromovPoint
        Where the step begins.
    tau : float
        Weight of the Kullback-Leibler term.
    tol : float
        Marginal error to reach.
    start : tuple of array or None
        Potentials to start from.

    Attributes
    ----------
    point : GromovPoint
        Where the step ends.
    residual : float
        Certificate of where it begins.
    start : tuple of array
        Potentials.
    n_iter, solved : int, bool
        Sweeps and Newton steps, and whether they reached the tolerance.
    """

    def __init__(self, solver, point, tau, tol, start):
        xp, reg = solver.xp, solver.eps + tau
        cost = point.G
        if tau > 0.0:
            cost = cost - tau * (
                _kept(solver, point.Z) if solver.eps == 0.0 else point.Z
            )
        geometry = DenseGeometry(cost)
        result = solve_balanced(geometry, solver.a, solver.b, reg, tol, start)
        f, g = result.solution.f, result.solution.g
        # What only one side gains would stay from start to start, and take digits away
        # when it was in the units of a larger tau.
        middle = 0.5 * (xp.mean(f) - xp.mean(g))
        f, g = f - middle, g + middle
        self.n_iter, self.start = result.n_iter, (f, g)
        self.solved = result.certificate.holds
        Z = (f[:, None] + g[None, :] - cost) * (1.0 / reg)
        P = xp.exp(Z)
        if solver.eps > 0.0:
            self.residual = sum64(xp.abs(P - point.P)) * reg / solver.eps
        else:
            self.residual = gap(point, f, g) / solver.scale
        self.point = GromovPoint(solver, P, Z, (f, g))


def gap(point, f, g):
    """Return an upper bound on <G, P> - min <G, P'> over plans P'.

    Parameters
    ----------
    point : GromovPoint
        With the gradient G at P.
    f, g : array of shape (n,), (m,)
        Any potentials.

    Returns
    -------
    gap : float
        For the P' with the marginals of P: how far these are from those that are
        wanted is measured on its own.
    """
    xp = namespace(f)
    slack = point.G - f[:, None] - g[None, :]
    # Feasible potentials leave slack nowhere negative.
    slack = slack - xp.min(slack, axis=0)[None, :]
    slack = slack - xp.min(slack, axis=1)[:, None]
    return sum64(slack * point.P)


def _kept(solver, Z):
    """Return the logarithm of a plan that is kept from zero."""
    xp = solver.xp
    least = xp.log(FLOOR * solver.a)[:, None] + xp.log(solver.b)[None, :]
    return xp.maximum(Z, least)
