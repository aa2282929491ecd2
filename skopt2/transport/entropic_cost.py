"""The entropic transport cost as a differentiable function of the points.

Problem: W(X, Y) = min_P <P, C> + reg sum_ij P_ij (log P_ij - 1) over plans P with
marginals a and b, C_ij = c(x_i, y_j).

Symbols: X (n, d), Y (m, d); a (n,), b (m,) with sum 1; P the optimal plan. By the
envelope theorem dW / dx_i = sum_j P_ij dc(x_i, y_j) / dx_i: no derivative of P.

Source: J. Feydy et al., Interpolating between optimal transport and MMD using Sinkhorn
divergences, AISTATS 2019, section 2.
"""

import math

from skopt2._core.array import device_of, dot64, namespace, sum64
from skopt2.solvers.transport.cost import ground_cost
from skopt2.solvers.transport.symmetric import self_transport
from skopt2.transport.point_cloud import PointCloud
from skopt2.transport.problem import check_problem
from skopt2.transport.sinkhorn import describe, solve

# Rows of costs computed at a time where only the pairs (x_i, y_i) are wanted.
PAIR_BLOCK = 64
# Costs held at a time where their mean is wanted.
MEAN_BLOCK = 2**22


class EntropicCost:
    """Entropic cost between two clouds, warm-started from its last evaluation.

    Parameters
    ----------
    a, b : ndarray of shape (n,), (m,) or None
        Positive masses with sum 1, in host memory; None for equal ones.
    metric : str or GroundCost
        With a gradient.
    reg : float
        Regularisation, in the units of the cost.
    tol : float
        Tolerance of the marginal error.
    max_iter : int, default=None
        Largest number of sweeps and Newton steps of one evaluation.
    """

    def __init__(self, a, b, metric, reg, tol, max_iter=None):
        self.a, self.b = a, b
        self.cost = ground_cost(metric)
        self.reg, self.tol, self.max_iter = reg, tol, max_iter
        self.potentials = None
        # Largest marginal error of the last evaluation.
        self.marginal_error = math.nan

    def value_and_gradient(self, X, Y):
        """Return W(X, Y) and its gradient with respect to X.

        Parameters
        ----------
        X, Y : array of shape (n, d), (m, d)
            Finite points on one device.

        Returns
        -------
        value : float
            Dual objective, a lower bound up to the marginal error.
        gradient : array of shape (n, d)
            For the plan that was reached.
        """
        problem = check_problem(self.a, self.b, PointCloud(X, Y, self.cost))
        result, name = solve(
            problem,
            self.reg,
            tol=self.tol,
            max_iter=self.max_iter,
            start=self.potentials,
        )
        found = describe(problem, self.reg, result, name)
        self.potentials = found.potentials
        self.marginal_error = found.marginal_error
        f, g = result.solution.f, result.solution.g
        return found.objective, self._gradient(problem.geometry, f, g, X, Y)

    def _gradient(self, geometry, f, g, X, Y):
        """Return sum_j P_ij dc(x_i, y_j) / dx_i, (n, d)."""
        if hasattr(geometry, "cost_gradient"):
            return geometry.cost_gradient(f, g, self.reg)
        return self.cost.grad_x(X, Y, geometry.plan(f, g, self.reg))


class SelfCost(EntropicCost):
    """Entropic cost of a cloud to itself, warm-started from its last evaluation.

    Parameters
    ----------
    a : ndarray of shape (n,) or None
        Positive masses with sum 1, in host memory; None for equal ones.
    metric : str or GroundCost
        With a gradient.
    reg : float
        Regularisation, in the units of the cost.
    tol : float
        Tolerance of the marginal error.
    """

    def __init__(self, a, metric, reg, tol):
        super().__init__(a, a, metric, reg, tol)

    def value_and_gradient(self, X):
        """Return W(X, X) and its gradient with respect to both of its arguments.

        Parameters
        ----------
        X : array of shape (n, d)
            Finite points.

        Returns
        -------
        value : float
            Dual objective, a lower bound up to the marginal error.
        gradient : array of shape (n, d)
            Twice the gradient with respect to the first argument.
        """
        problem = check_problem(self.a, self.a, PointCloud(X, X, self.cost))
        geometry, a = problem.geometry, problem.a
        found = self_transport(geometry, a, self.reg, self.tol, self.potentials)
        f = self.potentials = found.solution.f
        self.marginal_error = found.certificate.value
        value = found.objective + geometry.centring.offset(a, a)
        return value, 2.0 * self._gradient(geometry, f, f, X, X)


def pair_costs(metric, X, Y, weight):
    """Return sum_i weight_i c(x_i, y_i) and its gradient with respect to X.

    Parameters
    ----------
    metric : str or GroundCost
        With a gradient.
    X, Y : array of shape (n, d)
        Points on one device.
    weight : array of shape (n,)
        Nonnegative.

    Returns
    -------
    value : float
        Accumulated in float64.
    gradient : array of shape (n, d)
        Beside the points.
    """
    xp, cost = namespace(X), ground_cost(metric)
    if cost.name == "sqeuclidean":
        gap = X - Y
        weighted = weight[:, None] * gap
        return sum64(weighted * gap), 2.0 * weighted
    value, parts = 0.0, []
    n = int(X.shape[0])
    for start in range(0, n, PAIR_BLOCK):
        rows = slice(start, min(start + PAIR_BLOCK, n))
        x, y, w = X[rows, :], Y[rows, :], weight[rows]
        diagonal = xp.eye(x.shape[0], dtype=x.dtype, device=device_of(x)) * w[:, None]
        value += sum64(diagonal * cost.block(x, y))
        parts.append(cost.grad_x(x, y, diagonal))
    return value, xp.concat(parts)


def mean_cost(metric, X, Y, a, b):
    """Return sum_ij a_i b_j c(x_i, y_j), in blocks of rows.

    Parameters
    ----------
    metric : str or GroundCost
        Ground cost.
    X, Y : array of shape (n, d), (m, d)
        Points on one device.
    a, b : array of shape (n,), (m,)
        Weights, beside the points.

    Returns
    -------
    mean : float
        Accumulated in float64 over the blocks.
    """
    cost, n = ground_cost(metric), int(X.shape[0])
    step = max(1, MEAN_BLOCK // int(Y.shape[0]))
    total = 0.0
    for start in range(0, n, step):
        rows = slice(start, min(start + step, n))
        total += dot64(a[rows], cost.block(X[rows, :], Y) @ b)
    return total
