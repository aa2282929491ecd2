"""Variance of a Gaussian process from few samples, with the help of near data.

Problem: d_j(x), j = 1 .. s, are samples of f(x) less its mean given all data, with the
variance v that is wanted. Their mean square a has the relative error sqrt(2 / s).

The same samples can be conditioned on the m rows of the data nearest to x alone, which
takes a system of m equations and no other solve:

    g_j(x) = f0_j(x) - h.z_j,    h = (K_MM + Lambda_M)^-1 k_M,

z (m, s) the noisy values of the prior's samples there. Its variance t is known: it is
the variance of the process given these rows, and an upper bound on v. What the other
rows add, g - d, is independent of d, since d is what no data explain; its variance is
t - v, and b its mean square. Hence the log-likelihood of v given all samples,

    -2 l / s = log v + a / v + log(t - v) + b / (t - v),

which depends on a, b and t alone. Its maximum u = v / t is the root in [0, 1] of

    -2 u^3 + (3 + a' - b') u^2 - (1 + 2 a') u + a' = 0,    a' = a / t, b' = b / t,

and its asymptotic variance (2 / s) v^2 (t - v)^2 / (v^2 + (t - v)^2), less than that of
a for every t, and 0 where near rows say all. Errors of the features cancel like those
of the draws: both are in d and in g.

Measured with 64 samples on 1000 points, Matern 3/2 kernels and lengths, noise and
variance of the literature: the relative root mean square error of the standard
deviation goes from 10.1 % to 1.2 % with m = 64 on 6000 rows of pol, from 8.9 % to 2.6 %
on 5000 of elevators and from 9.0 % to 0.2 % on 5000 of protein; with a Gaussian kernel
on pol, where nothing is local, from 9.4 % to 5.7 %. With noise of 1e-6 of the
variance, 800 points in the plane and Matern 5/2, 2000 features cannot follow the data:
the error of 58 % of the plain estimate becomes 0.02 %. Solves to a relative residual of
1e-2 are enough: pol stays at 1.2 %, and has 1.4 % with 3e-2.

Orthogonal draws of the weights and the noise would gain the factor 1 - s / (D + n), D
the number of features, and pairs of opposite signs nothing at all.

Symbols: K (r, n) kernel between r new points and the data; lam (n,) noise variances.
"""

import threading

import numpy as np

from skopt2._core.array import (
    accumulation_dtype,
    asarray_like,
    device_of,
    namespace,
    put,
    take,
)
from skopt2.kernels.workspace import Workspace

# Entries of the kernel matrix among the neighbours of some points.
_ENTRIES = 2**16
# Regularisation of the systems, in units of the size of the kernel.
_JITTER = 1e-10
# Rows of the data for each neighbour from which a partition is avoided.
_MANY = 16
# Halvings of the interval in which the variance is looked for.
_STEPS = 50


def nearest_rows(K, precision, count):
    """Return the rows of the data that explain most of each point on their own.

    Parameters
    ----------
    K : array of shape (r, n)
        Kernel between the points and the data.
    precision : array of shape (n,) or None
        1 / (k(x_i, x_i) + lam_i); None if all are equal.
    count : int
        m, how many; at most n.

    Returns
    -------
    index : array of int of shape (r, m)
        Those with the largest k(x, x_i)^2 / (k(x_i, x_i) + lam_i), in no fixed order.
    """
    xp, n = namespace(K), int(K.shape[1])
    size = xp.abs(K) if precision is None else K * K * precision
    if xp is np and n >= _MANY * count:
        index = _largest(size, count)
        if index is not None:
            return index
    if hasattr(xp, "argpartition"):
        return xp.argpartition(size, n - count, axis=1)[:, n - count :]
    return xp.argsort(size, axis=1)[:, n - count :]


def _largest(size, count):
    """Return the columns of the largest entries of each row, or None for many ties.

    Of 4 m groups of columns the m-th largest maximum is a threshold that m entries
    reach, and few more. Two passes are quicker than a partition of the whole row.
    """
    r, n = size.shape
    groups = 4 * count
    length = n // groups
    tops = size[:, : length * groups].reshape(r, length, groups).max(axis=1)
    tops.partition(groups - count, axis=1)
    flat = np.flatnonzero(size >= tops[:, groups - count, None])
    if flat.size > 4 * count * r:
        return None
    rows, columns = np.divmod(flat, n)
    order = np.lexsort((-size[rows, columns], rows))
    first = np.searchsorted(rows, np.arange(r))
    return columns[order[first[:, None] + np.arange(count)]]


class LocalData:
    """Data of which each new point sees its nearest rows.

    Parameters
    ----------
    kernel : Kernel
        With numbers for parameters.
    X : array of shape (n, d)
        Points.
    lam : float or array of shape (n,)
        Variances of the noise.
    """

    def __init__(self, kernel, X, lam):
        xp = namespace(X)
        self.kernel, self.X = kernel, X
        self.wide = accumulation_dtype(X)
        self.jitter = max(_JITTER, 16.0 * float(xp.finfo(self.wide).eps))
        self._threads = threading.local()
        lam = asarray_like(lam, X, self.wide)
        self.lam = xp.broadcast_to(lam, (int(X.shape[0]),))
        origin = kernel.origin(X)
        self.origin = None if origin is None else xp.astype(origin, self.wide)
        self.precision = None
        if lam.ndim or not kernel.is_stationary:
            diagonal = xp.astype(kernel.diag(kernel.features(X)), self.wide)
            total = xp.astype(diagonal + self.lam, X.dtype)
            safe = xp.where(total > 0, total, xp.ones_like(total))
            self.precision = xp.where(total > 0, 1.0 / safe, xp.zeros_like(total))

    def weights(self, points, index):
        """Return the weights of the nearest rows, and the variance that they leave.

        Parameters
        ----------
        points : array of shape (r, d)
            New points, in the dtype of X.
        index : array of int of shape (r, m)
            Their nearest rows.

        Returns
        -------
        h : array of shape (r, m)
            In the widest dtype.
        t : array of shape (r,)
            Variance of f(x) - h.z, not below 0.
        """
        xp, (r, m) = namespace(points), index.shape
        step = max(1, int(_ENTRIES**0.5) // (int(m) + 1))
        parts = [
            self._some(points[i : min(i + step, r), :], index[i : min(i + step, r), :])
            for i in range(0, max(int(r), 1), step)
        ]
        return tuple(xp.concat(list(part)) for part in zip(*parts, strict=True))

    def solution(self, points, index):
        """Return an approximate solution of H W = k(X, points), of few entries.

        Parameters
        ----------
        points : array of shape (r, d)
            New points, in the dtype of X.
        index : array of int of shape (r, m)
            Their nearest rows.

        Returns
        -------
        W : array of shape (n, r)
            The weights of the nearest rows, elsewhere 0, in the dtype of X.
        """
        xp, (r, n) = namespace(points), (int(points.shape[0]), int(self.X.shape[0]))
        h, _ = self.weights(points, index)
        h = xp.reshape(xp.astype(h, points.dtype, copy=False), (-1,))
        where = {} if xp is np else {"device": device_of(h)}
        columns = xp.arange(r, dtype=index.dtype, **where)[:, None]
        flat = xp.reshape(index * r + columns, (-1,))
        W = put(xp.zeros((n * r,), dtype=points.dtype, **where), flat, h)
        return xp.reshape(W, (n, r))

    def _some(self, points, index):
        """Return weights and variances for a few points."""
        xp, (r, m) = namespace(points), (int(size) for size in index.shape)
        flat = xp.reshape(index, (-1,))
        near = xp.reshape(take(self.X, flat), (r, m, -1))
        both = xp.concat([points[:, None, :], near], axis=1)
        both = xp.reshape(xp.astype(both, self.wide), (r * (m + 1), -1))
        blocks = self._blocks(both, r, m + 1)
        prior, cross, K = blocks[:, 0, 0], blocks[:, 1:, 0], blocks[:, 1:, 1:]
        noise = xp.reshape(take(self.lam, flat), (r, m))
        eye = xp.eye(m, dtype=self.wide, device=None if xp is np else K.device)
        H = K + noise[:, :, None] * eye
        size = xp.max(xp.abs(prior)) * self.jitter
        # A kernel of zeros leaves a system that can be solved all the same.
        size = size + float(xp.finfo(self.wide).smallest_normal)
        h = xp.linalg.solve(H + size * eye, cross[:, :, None])
        # The variance for the weights that were found, jitter and rounding included.
        form = h * (H @ h - 2.0 * cross[:, :, None])
        t = prior + xp.sum(form[:, :, 0], axis=1)
        return h[:, :, 0], xp.maximum(t, xp.zeros_like(t))

    def _blocks(self, points, r, size):
        """Return the r kernel matrices (r, size, size) of groups of points."""
        xp = namespace(points)
        A = self.kernel.features(points, self.origin)
        if xp is np:
            K = np.empty((r * size, r * size))
            if not hasattr(self._threads, "space"):
                self._threads.space = Workspace()
            same = np.arange(r * size)
            self.kernel.fill(A, A, K, self._threads.space, (same, same))
            K = K.reshape(r, size, r, size)
            return K[np.arange(r), :, np.arange(r), :]
        K = self.kernel.block(A, A)
        pieces = [slice(i * size, (i + 1) * size) for i in range(r)]
        return xp.stack([K[some, some] for some in pieces])


def likely_variance(a, b, t):
    """Return the variance of the largest likelihood.

    Parameters
    ----------
    a, b : array of shape (r,)
        Mean squares of the samples d and of g - d.
    t : array of shape (r,)
        Variance of g, not below 0.

    Returns
    -------
    v : array of shape (r,)
        In [0, t].
    """
    xp = namespace(t)
    safe = xp.where(t > 0, t, xp.ones_like(t))
    a, b = a / safe, b / safe
    low, high = xp.zeros_like(t), xp.ones_like(t)
    for _ in range(_STEPS):
        u = 0.5 * (low + high)
        cubic = ((3.0 + a - b - 2.0 * u) * u - (1.0 + 2.0 * a)) * u + a
        below = cubic > 0
        low, high = xp.where(below, u, low), xp.where(below, high, u)
    return 0.5 * (low + high) * t
