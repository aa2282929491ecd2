"""Samples of a Gaussian process given data, as functions.

Problem: f ~ N(0, k) is observed at X with noise N(0, Lambda). With a draw f0 of the
prior and a draw eps of the noise, the function

    f(x) = mean(x) + f0(x) - k(x, X) A,    H A = f0(X) + eps,    H = K + Lambda,

is a draw of the posterior (Matheron's rule): f0 - k(., X) A has mean 0 and the
posterior covariance k(x, y) - k(x, X) H^-1 k(X, y), whatever the targets are. The
draws of the prior are those of :mod:`skopt2.solvers.kernel.prior`.

Symbols: X (n, d); coef (n, c) dual coefficients of the mean; A (n, s) those of s
samples; lam the diagonal of Lambda, a number or (n,); Xnew (m, d).

Source: J. Wilson, V. Borovitskiy, A. Terenin, P. Mostowsky, M. Deisenroth, Pathwise
conditioning of Gaussian processes, JMLR 22, 2021, for Matheron's update rule; J. Lin,
S. Padhy, J. Antoran, A. Tripp, A. Terenin, C. Szepesvari, J. M. Hernandez-Lobato, D.
Janz, Stochastic gradient descent for Gaussian processes done right, ICLR 2024, for all
samples by one solve.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skopt2._core.array import (
    accumulation_dtype,
    index_like,
    namespace,
    take,
)
from skopt2._core.threads import TaskPool
from skopt2.kernels import KernelOperator
from skopt2.kernels.base import Kernel
from skopt2.kernels.points import check_points
from skopt2.solvers.kernel.local_variance import (
    LocalData,
    likely_variance,
    nearest_rows,
)
from skopt2.solvers.kernel.prior import Prior, draw_prior, sample_targets

__all__ = ["PathwisePosterior", "Prior", "draw_prior", "sample_targets"]

# Entries of the sampled values, or of a kernel matrix, that are made at a time.
_ENTRIES = 2**22
# Rows of a kernel matrix that a thread holds, and columns that are summed in float32.
_ROWS, _COLUMNS = 64, 2048
# Arrays of the size of a piece of the kernel matrix that live at one time on a device.
_TEMPORARIES = 8


@dataclass(frozen=True, eq=False)
class PathwisePosterior:
    """Posterior of a Gaussian process, by its mean and samples of it.

    Parameters
    ----------
    kernel : Kernel
        With numbers for parameters.
    X : array of shape (n, d)
        Points of the data.
    coef : array of shape (n, c)
        Dual coefficients H^-1 Y of the mean.
    sample_coef : array of shape (n, s)
        Those of the draws, H^-1 (f0(X) + eps).
    prior : Prior
        The draws f0.
    targets : array of shape (n, s) or None, default=None
        What :func:`sample_targets` returned. None for the plain estimate of the
        variance.
    lam : float or array of shape (n,), default=0.0
        Variances of the noise; matters with ``targets`` alone.
    n_neighbors : int, default=64
        Rows of the data nearest to each new point that make its variance more precise,
        the more the better, for a time that grows as their cube from about 100 on. 0
        for the plain estimate.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.kernels import Gaussian, KernelOperator
    >>> from skopt2.solvers.kernel.pathwise import (
    ...     PathwisePosterior, draw_prior, sample_targets)
    >>> from skopt2.solvers.kernel.solve import solve_kernel_system
    >>> kernel, rng = Gaussian(length_scale=1.0), np.random.default_rng(0)
    >>> X, Y = np.array([[0.0], [9.0]]), np.array([[2.0], [4.0]])
    >>> prior = draw_prior(kernel, X, 1000, rng=rng)
    >>> targets = np.hstack([Y, sample_targets(prior, X, 1.0, rng)])
    >>> a = solve_kernel_system(KernelOperator(kernel, X), targets, 1.0).solution.a
    >>> posterior = PathwisePosterior(kernel, X, a[:, :1], a[:, 1:], prior)
    >>> mean, variance = posterior.moments(np.array([[0.0], [99.0]]))
    >>> mean.round(3).ravel().tolist(), variance.round(1).tolist()
    ([1.0, 0.0], [0.5, 1.0])
    """

    kernel: Kernel
    X: Any
    coef: Any
    sample_coef: Any
    prior: Prior
    targets: Any = None
    lam: Any = 0.0
    n_neighbors: int = 64

    def mean(self, Xnew):
        """Compute the posterior mean.

        Parameters
        ----------
        Xnew : array of shape (m, d)
            Points.

        Returns
        -------
        mean : array of shape (m, c)
        """
        Xnew, operator = self._beside(Xnew)
        return operator.product(self.coef)

    def deviations(self, Xnew):
        """Compute samples of the posterior less its mean.

        Parameters
        ----------
        Xnew : array of shape (m, d)
            Points.

        Returns
        -------
        deviations : array of shape (m, s)
            f0 - k(Xnew, X) A.
        """
        Xnew, operator = self._beside(Xnew)
        return self.prior.values(Xnew) - operator.product(self.sample_coef)

    def variance(self, Xnew):
        """Estimate the posterior variance, that of the noise not included.

        Parameters
        ----------
        Xnew : array of shape (m, d)
            Points.

        Returns
        -------
        variance : array of shape (m,)
            With ``targets`` the estimate of
            :mod:`skopt2.solvers.kernel.local_variance`. Without, the mean squares of
            the deviations, whose mean is known to be 0.
        """
        return self.moments(Xnew)[1]

    def moments(self, Xnew):
        """Compute mean and variance by one pass over k(Xnew, X).

        Parameters
        ----------
        Xnew : array of shape (m, d)
            Points.

        Returns
        -------
        mean : array of shape (m, c)
            Posterior mean.
        variance : array of shape (m,)
            As :meth:`variance` returns it.
        """
        Xnew, operator = self._beside(Xnew)
        xp, m = namespace(Xnew), int(Xnew.shape[0])
        coef = xp.concat([self.coef, self.sample_coef], axis=1)
        if self.targets is None or not self.n_neighbors or not m:
            step = max(1, _ENTRIES // int(coef.shape[1]))
            pieces = [slice(i, min(i + step, m)) for i in range(0, max(m, 1), step)]
            found = [self._squares(Xnew, operator, rows, coef) for rows in pieces]
            mean, variance = (xp.concat(list(x)) for x in zip(*found, strict=True))
        else:
            mean, *squares = self._local_squares(Xnew, operator, coef)
            variance = likely_variance(*squares)
        return mean, xp.astype(variance, Xnew.dtype, copy=False)

    def _squares(self, Xnew, operator, rows, coef):
        """Return means, and mean squares of the samples, at some of the points."""
        c = int(self.coef.shape[1])
        values = operator.rows(rows, coef)
        d = self.prior.values(Xnew[rows, :]) - values[:, c:]
        return values[:, :c], _mean_square(d)

    def _local_squares(self, Xnew, operator, coef):
        """Return means, and what the variance is found of: a, b, t."""
        xp, m = namespace(Xnew), int(Xnew.shape[0])
        local, step = LocalData(self.kernel, self.X, self.lam), _height(operator)
        pieces = [slice(i, min(i + step, m)) for i in range(0, m, step)]
        found = [None] * len(pieces)

        def work(number):
            found[number] = self._near(Xnew, operator, pieces[number], coef, local)

        tasks = [(number,) for number in range(len(pieces))]
        if xp is np:
            # Threads share out the pieces, and none is left for those within them.
            TaskPool().run(work, tasks)
        else:
            for task in tasks:
                work(*task)
        return tuple(xp.concat(list(part)) for part in zip(*found, strict=True))

    def _near(self, Xnew, operator, rows, coef, local):
        """Return means, a, b and t at some of the points."""
        c, n = int(self.coef.shape[1]), int(self.X.shape[0])
        xp, count = namespace(Xnew), min(int(self.n_neighbors), n)
        points, K = Xnew[rows, :], operator.block(rows, slice(0, n))
        values, prior = _product(K, coef), self.prior.values(Xnew[rows, :])
        d = prior - values[:, c:]
        index = nearest_rows(K, local.precision, count)
        h, t = local.weights(points, index)
        near = take(self.targets, xp.reshape(index, (-1,)))
        near = xp.astype(xp.reshape(near, (*index.shape, -1)), h.dtype, copy=False)
        g = prior - (h[:, None, :] @ near)[:, 0, :]
        return values[:, :c], _mean_square(d), _mean_square(g - d), t

    @property
    def n_samples(self):
        """Number s of samples."""
        return int(self.sample_coef.shape[1])

    def values(self, Xnew):
        """Compute the mean, and the samples less it, by one pass over k(Xnew, X).

        Parameters
        ----------
        Xnew : array of shape (m, d)
            Points.

        Returns
        -------
        mean : array of shape (m, c)
            Posterior mean.
        deviations : array of shape (m, s)
            As :meth:`deviations` returns them.
        """
        Xnew, operator = self._beside(Xnew)
        xp, c = namespace(Xnew), int(self.coef.shape[1])
        both = operator.product(xp.concat([self.coef, self.sample_coef], axis=1))
        return both[:, :c], self.prior.values(Xnew) - both[:, c:]

    def some(self, index):
        """Keep some of the samples.

        Parameters
        ----------
        index : array-like of int of shape (k,)
            Which.

        Returns
        -------
        posterior : PathwisePosterior
        """
        weights = self.prior.weights
        index = index_like(np.asarray(index), weights)
        targets = self.targets
        return replace(
            self,
            sample_coef=take(self.sample_coef, index, axis=1),
            prior=replace(self.prior, weights=take(weights, index, axis=1)),
            targets=None if targets is None else take(targets, index, axis=1),
        )

    def _beside(self, Xnew):
        """Return new points like those of the data, and the operator between them."""
        Xnew = check_points(Xnew, "Xnew", self.X)
        return Xnew, KernelOperator(self.kernel, Xnew, self.X)


def _mean_square(x):
    """Return the mean squares of the rows, in the widest dtype."""
    xp = namespace(x)
    return xp.mean(xp.astype(x, accumulation_dtype(x), copy=False) ** 2, axis=1)


def _product(K, V):
    """Return K V; on the host sums of float32 are taken in float64 piece by piece."""
    xp, n = namespace(K), int(K.shape[1])
    if xp is not np or K.dtype == np.float64:
        return K @ V
    total = np.zeros((K.shape[0], V.shape[1]))
    for start in range(0, n, _COLUMNS):
        total += K[:, start : start + _COLUMNS] @ V[start : start + _COLUMNS]
    return total.astype(K.dtype)


def _height(operator):
    """Return how many rows of the kernel matrix are held at a time."""
    n = operator.shape[1]
    if operator.xp is np:
        return max(1, min(_ROWS, _ENTRIES // max(1, n)))
    return max(1, operator.budget // (_TEMPORARIES * 8 * max(1, n)))
