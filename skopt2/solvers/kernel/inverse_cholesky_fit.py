"""Parameters of a kernel that maximise the likelihood of its sparse factor.

Problem: maximise over theta, within bounds, the value of
:mod:`skopt2.solvers.kernel.inverse_cholesky_likelihood`, by L-BFGS from the given theta
and from random ones. Where there are more than ``size`` rows, a random subset of the
terms stands for all: each term still sees its neighbours among all rows, so that the
estimate is unbiased at every scale.

The order and the neighbours depend on the length scales. They are found anew when these
have changed, and the search goes on from there.

Symbols: theta (t,) logarithms of the free parameters; X (n, d), Y (n, c); noise (n,).
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize

from skopt2.kernels.point_blocks import PointBlocks
from skopt2.solvers.kernel.inverse_cholesky_likelihood import sparse_log_likelihood
from skopt2.solvers.kernel.inverse_cholesky_order import earlier_neighbours
from skopt2.solvers.kernel.inverse_cholesky_posterior import order_points

# Times that the order is found anew, and the change of a length scale, relative to the
# others, that makes it worthwhile.
_ROUNDS = 3
# Fewest neighbours in the likelihood of pseudo-targets.
_GUIDES = 20
_CHANGE = 1.2


@dataclass(frozen=True)
class FittedKernel:
    """Outcome of a search.

    Parameters
    ----------
    kernel : kernel object
        With the best parameters.
    points : OrderedPoints
        In the units of its length scales.
    """

    kernel: Any
    points: Any


class ParameterSearch:
    """Search for the parameters of a kernel.

    Parameters
    ----------
    n_neighbors : int
        Most neighbours of a row.
    rho : float or None
        See :func:`order_points`.
    optimizer : "fmin_l_bfgs_b" or callable
        ``optimizer(objective, initial_theta, bounds)`` returns theta and the value, for
        an objective of theta to minimise that returns its value and gradient.
    size : int
        Most terms of the likelihood.
    n_restarts : int
        Further starts, drawn uniformly from the bounds of theta.
    rng : numpy.random.Generator
        Draws the terms and the starts.
    """

    def __init__(self, n_neighbors, rho, optimizer, size, n_restarts, rng):
        self.n_neighbors, self.rho = n_neighbors, rho
        self.optimizer, self.size = optimizer, size
        self.n_restarts, self.rng = n_restarts, rng
        self._rows = None

    def order(self, kernel, X, former=None):
        """Order points in the units of a kernel.

        Parameters
        ----------
        kernel : kernel object of scikit-learn
            With the length scales.
        X : ndarray of shape (n, d)
            Points.
        former : OrderedPoints or None, default=None
            What is returned if its units are much the same, but for a factor.

        Returns
        -------
        points : OrderedPoints
            See :func:`order_points`.
        """
        scales = PointBlocks(kernel).scales(X.shape[1])
        if former is not None:
            ratio = scales / former.scales
            if ratio.max() < _CHANGE * ratio.min():
                return former
        return order_points(X, scales, self.n_neighbors, self.rho)

    def run(self, kernel, X, Y, noise):
        """Return the best kernel that was found, never worse than the given one.

        Parameters
        ----------
        kernel : kernel object of scikit-learn
            Start.
        X : ndarray of shape (n, d)
            Rows, in any order.
        Y : ndarray of shape (n, c)
            Targets.
        noise : ndarray of shape (n,)
            Variances beside the white part of the kernel.

        Returns
        -------
        fitted : FittedKernel
            The given kernel where all its parameters are fixed.
        """
        points = self.order(kernel, X)
        if self.optimizer is None or not kernel.n_dims:
            return FittedKernel(kernel, points)
        starts = self.starts(kernel)
        for _ in range(_ROUNDS):
            order = points.order
            kernel = self._search(kernel, points, Y[order], noise[order], starts)
            former, points = points, self.order(kernel, X, points)
            if points is former:
                break
            starts = [kernel.theta]
        return FittedKernel(kernel, points)

    def improve(self, kernel, points, Y, noise, reach):
        """Return a kernel that is at least as likely, by one search from the given one.

        Parameters
        ----------
        kernel : kernel object of scikit-learn
            Start.
        points : OrderedPoints
            The rows.
        Y, noise : ndarray of shape (n, c) and (n,)
            Targets and their noise, in the order of the points.
        reach : float
            Largest change of any entry of theta.

        Returns
        -------
        kernel : kernel object
            A copy.
        """
        if points.neighbours.shape[1] < _GUIDES:
            # Noisy targets say little of their neighbours, unless there are many.
            guides = earlier_neighbours(points.X / points.scales, _GUIDES)
            points = dataclasses.replace(points, neighbours=guides)
        theta = kernel.theta
        box = np.stack([theta - reach, theta + reach], axis=1)
        low, high = kernel.bounds.T
        bounds = np.clip(box, low[:, None], high[:, None])
        return self._search(kernel, points, Y, noise, [theta], bounds)

    def starts(self, kernel):
        """Return the theta of a kernel and random ones, within its bounds."""
        starts = [kernel.theta]
        if self.n_restarts:
            bounds = kernel.bounds
            if not np.isfinite(bounds).all():
                raise ValueError(
                    "n_restarts_optimizer > 0 needs finite bounds of all parameters "
                    f"of the kernel; theta has the bounds {bounds.tolist()}."
                )
            low, high = bounds.T
            starts += list(self.rng.uniform(low, high, (self.n_restarts, low.size)))
        return starts

    def _terms(self, n):
        """Return the rows whose terms are summed, the same in all searches, or None."""
        if n <= self.size:
            return None
        if self._rows is None:
            self._rows = np.sort(self.rng.choice(n, self.size, replace=False))
        return self._rows

    def _search(self, kernel, points, Y, noise, starts, bounds=None):
        """Return the kernel with the best theta from several starts."""
        X, rows = points.X, self._terms(Y.shape[0])

        def objective(theta, eval_gradient=True):
            blocks = PointBlocks(kernel.clone_with_theta(theta))
            found = sparse_log_likelihood(
                blocks, X, Y, noise, points.neighbours, rows=rows
            )
            value = -found[0] if math.isfinite(found[0]) else _HUGE
            return (value, -found[1]) if eval_gradient else value

        bounds = kernel.bounds if bounds is None else bounds
        best = (objective(starts[0], False), starts[0])
        for theta in starts:
            theta, value = self._minimise(objective, theta, bounds)
            # The optimiser of a user may return anything.
            if value < best[0]:
                best = (value, theta)
        return kernel.clone_with_theta(np.asarray(best[1], dtype=np.float64))

    def _minimise(self, objective, theta, bounds):
        """Run the optimiser from one start."""
        if callable(self.optimizer):
            found, value = self.optimizer(objective, theta, bounds=bounds)
            return found, float(value)
        found = minimize(objective, theta, method="L-BFGS-B", jac=True, bounds=bounds)
        return found.x, float(found.fun)


# Stands for a likelihood of 0, which line searches must be able to compare.
_HUGE = 1e300
