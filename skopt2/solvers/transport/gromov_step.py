"""A plan of Gromov-Wasserstein transport, how far it is from stationary, and a step.

Problem: min_P E(P) = F(P) + eps * sum P (log P - 1) over plans with the marginals a
(n,) and b (m,). Symbols: G (n, m) gradient of F at P, Z = log P.

Entropic. Any positive P solves entropic transport for the cost -eps Z and its own
marginals; P+ does for the cost G. With D = G + eps Z less any potentials f (n,), g (m,)

    eps * sum (P - P+)(log P - log P+) = <D, P+ - P>.

A term on the left is (P - P+)^2 over the logarithmic mean of P and P+, which is at most
m = (P + P+) / 2. So with Cauchy's inequality on the right t = |P - P+|_1 fulfils

    (eps t)^2 <= eps^2 * sum (P - P+)^2 / m <= sum m D^2 <= sum P D^2 + max D^2 t / 4,

since P+ <= P + (P+ - P)_+, and these parts sum to t / 2. The solution t of that
quadratic equation bounds the distance; its last term is of second order. The error of
the marginals is measured on its own.

Without entropy, eps = 0: for feasible potentials, G - f - g >= 0, the sum of
(G - f - g) P is at least <G, P> - <G, P'> for all plans P' with the marginals of P.

Source: S. Lacoste-Julien, Convergence rate of Frank-Wolfe for non-convex objectives,
2016, equation 1 (gap).
"""

import math

from skopt2._core.array import dot64, max_abs, namespace, sum64
from skopt2.solvers.transport.geometry import DenseGeometry
from skopt2.solvers.transport.gromov_costs import quadratic
from skopt2.solvers.transport.inner import solve_balanced


class GromovPoint:
    """A plan with the gradient, the objective and the certificate there.

    Parameters
    ----------
    solver : GromovSinkhorn
        Problem.
    P, Z : array of shape (n, m)
        Plan and its logarithm.
    potentials : tuple of array, default=None
        Potentials (f, g) of the problem that the plan solves; without entropy only.

    Attributes
    ----------
    G, D : array of shape (n, m)
        Gradient of the cost; with entropy that of the objective, less ``potentials``.
    potentials : tuple of array
        With entropy those of the linearised problem at the plan itself.
    cost, linear, quadratic : float
        Cost, and its two terms without their weights.
    objective, doubt : float
        What falls from step to step, and the size of the correction that it contains.
    residual, error : float
        Distance from stationary, and marginal error.
    """

    def __init__(self, solver, P, Z, potentials=None):
        xp, eps = solver.xp, solver.eps
        self.P, self.Z = P, Z
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
            potentials, self.D = _separate(solver, G + eps * Z, P)
            square = sum64(P * self.D * self.D)
            self.decrease = square / eps
            self.residual = distance(self.D, square, eps)
        else:
            if potentials is None:
                potentials = xp.zeros_like(solver.a), xp.zeros_like(solver.b)
            self.D, self.residual = None, gap(G, P, *potentials) / solver.scale
        self.potentials = potentials
        # The potentials are the slope along the error of the marginals: without that,
        # plans of different errors do not compare.
        f, g = potentials
        change = dot64(f, rows) + dot64(g, cols)
        self.objective -= change
        self.doubt = abs(change)


def follow(solver, cost, reg, tol, potentials):
    """Return the plan of least cost and entropy.

    Parameters
    ----------
    solver : GromovSinkhorn
        Problem.
    cost : array of shape (n, m)
        Costs.
    reg : float
        Weight of the entropy.
    tol : float
        Marginal error to reach.
    potentials : tuple of array or None
        Potentials to start from.

    Returns
    -------
    point : GromovPoint
        The plan.
    result : Result
        How its transport problem ended.
    """
    xp = solver.xp
    geometry = DenseGeometry(cost)
    result = solve_balanced(geometry, solver.a, solver.b, reg, tol, potentials)
    f, g = _balanced(result.solution.f, result.solution.g)
    Z = (f[:, None] + g[None, :] - cost) * (1.0 / reg)
    return GromovPoint(solver, xp.exp(Z), Z, (f, g)), result


def distance(D, square, eps):
    """Return an upper bound on |P - P+|_1.

    Parameters
    ----------
    D : array of shape (n, m)
        Gradient of the objective less potentials.
    square : float
        Sum of P D^2.
    eps : float
        Regularisation.

    Returns
    -------
    distance : float
        At most 2.0.
    """
    square = square / eps**2
    second = (max_abs(D) / eps) ** 2 / 8.0
    if not math.isfinite(second):
        return 2.0
    return min(2.0, second + math.sqrt(second * second + square))


def gap(G, P, f, g):
    """Return an upper bound on <G, P> - <G, P'> for all P' with the marginals of P.

    Parameters
    ----------
    G, P : array of shape (n, m)
        Costs and plan.
    f, g : array of shape (n,), (m,)
        Any potentials; they are made feasible.

    Returns
    -------
    gap : float
    """
    xp = namespace(f)
    slack = G - f[:, None] - g[None, :]
    slack = slack - xp.min(slack, axis=0)[None, :]
    slack = slack - xp.min(slack, axis=1)[:, None]
    return sum64(slack * P)


def _separate(solver, S, P):
    """Return potentials near S in the mean over P, and S without them.

    The means over the product of the masses are exact where potentials are all of S;
    those over P, one after the other, make what is left smaller.
    """
    xp, a, b = solver.xp, solver.a, solver.b
    f = S @ b
    S = S - f[:, None]
    g = a @ S
    S = S - g[None, :]
    # A plan to start from may have empty rows.
    W = P + solver.unit * a[:, None] * b[None, :]
    more = xp.sum(W * S, axis=1) / xp.sum(W, axis=1)
    S = S - more[:, None]
    rest = xp.sum(W * S, axis=0) / xp.sum(W, axis=0)
    return _balanced(f + more, g + rest), S - rest[None, :]


def _balanced(f, g):
    """Return potentials of the same mean.

    What one of them gains at the cost of the other would stay from step to step, and
    take digits away where it was in the units of a larger weight.
    """
    xp = namespace(f)
    middle = 0.5 * (xp.mean(f) - xp.mean(g))
    return f - middle, g + middle
