"""Weighted sums over the derivatives of kernels of the distance.

k = f(p), p_ij = sum_k delta_k^2, delta = rows_i - rows_j, the rows being sqrt(s) x / l
(:mod:`skopt2.kernels.radial`). With theta_k = log l_k,

dk / dtheta_k = g(p) delta_k^2, g = -2 f'(p);   one l for all: dk / dtheta = g(p) p.

nu = 1/2: g = e^-t / t; 3/2: e^-t; 5/2: (1 + t) e^-t / 3, t^2 = p; Gaussian: 2 e^-p;
rational quadratic of the shape a: 2 a k / (1 + p), and with theta = log a
dk / dtheta = a k (p / (1 + p) - log(1 + p)).

Sums over M = W g, W the weights, need no third axis of the features:

sum_ij M_ij delta_k^2 = sum_i r_i x_ik^2 + sum_j c_j x_jk^2 - 2 sum_i x_ik (M X)_ik,

r = M 1, c = M' 1: one product with X and a column of ones.

Source: C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, MIT
Press 2006, equations 4.16 to 4.19 and 5.9.
"""

import math

from skopt2._core.array import accumulation_dtype, namespace
from skopt2.kernels.gaussian import Gaussian
from skopt2.kernels.matern import Matern


class Spread:
    """Rows of a kernel, ready for sums of weighted squared differences.

    Parameters
    ----------
    A : Prepared
        Points of a radial kernel.

    Attributes
    ----------
    rows, squares : array of shape (n, d)
        Rows, and their squares.
    wide : array of shape (n, d + 1)
        Rows and a column of ones.
    nearest : float
        Distance at which the rounding of the sums is about as large as itself.
    """

    def __init__(self, A):
        xp, rows = namespace(A.rows), A.rows
        self.rows, self.squares = rows, rows * rows
        self.wide = xp.concat([rows, xp.ones_like(rows[:, :1])], axis=1)
        self.nearest = math.sqrt(A.largest * float(xp.finfo(rows.dtype).eps))

    def sums(self, tile, M):
        """Return sum_ij M_ij delta_k^2 over a tile.

        Parameters
        ----------
        tile : ArrayTile
            Which rows and columns.
        M : array of shape (k, l)
            Weights; overwritten on the host.

        Returns
        -------
        sums : array of shape (d,)
            In the widest float.
        """
        xp, accurate = namespace(M), accumulation_dtype(M)
        # The terms of a point with itself cancel, but their rounding would stay.
        M = tile.without_diagonal(M)
        if M.dtype != self.rows.dtype:
            M = xp.astype(M, self.rows.dtype)
        x = self.rows[tile.rows, :]
        product = xp.astype(M @ self.wide[tile.columns, :], accurate)
        right = xp.ones_like(x[:, :1]).T @ M @ self.squares[tile.columns, :]
        x = xp.astype(x, accurate)
        left = x * (product[:, -1:] * x - 2.0 * product[:, :-1])
        return xp.sum(left, axis=0) + xp.astype(right[0, :], accurate)


class LengthScale:
    """Derivative by the logarithm of a length scale, or of one for each feature.

    Parameters
    ----------
    place : int
        Where in theta it begins.
    spread : Spread or None
        None for one length scale.
    """

    def __init__(self, place, spread):
        self.place, self.spread = place, spread

    def add(self, tile, M, argument, factor):
        """Add the sums of a tile.

        Parameters
        ----------
        tile : ArrayTile
            Which.
        M : array of shape (k, l)
            Weights times g over the factor.
        argument : array of shape (k, l)
            p, of which the sum of M p is taken where there is one length scale.
        factor : float
            Multiplies the sums.
        """
        if self.spread is None:
            tile.add(self.place, factor * tile.dot(M, argument))
        else:
            tile.add(self.place, factor * self.spread.sums(tile, M))


def contract_radial(kernel, A, tile, W, coef, length, shape, wanted):
    """Add the sums of one tile for a radial kernel.

    Parameters
    ----------
    kernel : Gaussian, Matern or RationalQuadratic
        Resolved.
    A : Prepared
        All points.
    tile : ArrayTile
        Which.
    W : array of shape (k, l)
        Weights; overwritten on the host.
    coef : float
        Multiplies the kernel.
    length : LengthScale or None
        None where the length scale is fixed.
    shape : int or None
        Place in theta of the logarithm of the shape.
    wanted : bool
        Whether to return the sum over the kernel itself.

    Returns
    -------
    value : array of shape () or None
        coef sum_ij W_ij k_ij.
    """
    p = tile.squares(kernel, A, "p")
    if isinstance(kernel, Gaussian) or (
        isinstance(kernel, Matern) and kernel.nu == math.inf
    ):
        return _gaussian(p, tile, W, coef, length, wanted)
    if isinstance(kernel, Matern):
        contract = {0.5: _exponential, 1.5: _once, 2.5: _twice}[kernel.nu]
        return contract(p, tile, W, coef, length, wanted)
    return _rational(p, float(kernel.shape), tile, W, coef, length, shape, wanted)


def _gaussian(p, tile, W, coef, length, wanted):
    """Contract e^-p."""
    W *= tile.decay(p, "e")
    value = coef * tile.sum(W) if wanted else None
    if length is not None:
        length.add(tile, W, p, 2.0 * coef)
    return value


def _exponential(p, tile, W, coef, length, wanted):
    """Contract e^-t."""
    t = tile.sqrt(p, "t")
    W *= tile.decay(t, "e")
    value = coef * tile.sum(W) if wanted else None
    if length is None:
        return value
    if length.spread is None:
        length.add(tile, W, t, coef)
    else:
        # g = e^-t / t, but g delta^2 < t: nearer than this it is less than the rounding
        # of the sums, which is about eps |x|^2 / t.
        W /= tile.beyond(t, length.spread.nearest)
        length.add(tile, W, p, coef)
    return value


def _once(p, tile, W, coef, length, wanted):
    """Contract (1 + t) e^-t."""
    t = tile.sqrt(p, "t")
    W *= tile.decay(t, "e")
    value = coef * (tile.sum(W) + tile.dot(W, t)) if wanted else None
    if length is not None:
        length.add(tile, W, p, coef)
    return value


def _twice(p, tile, W, coef, length, wanted):
    """Contract (1 + t + t^2 / 3) e^-t."""
    t = tile.sqrt(p, "t")
    W *= tile.decay(t, "e")
    t += 1.0
    value = coef / 3.0 * tile.dot(W, p) if wanted else None
    W *= t
    if wanted:
        value += coef * tile.sum(W)
    if length is not None:
        length.add(tile, W, p, coef / 3.0)
    return value


def _rational(p, a, tile, W, coef, length, shape, wanted):
    """Contract (1 + p)^-a."""
    logarithm = tile.log1p(p, "t")
    exponent = tile.copy(logarithm, "work")
    exponent *= a
    W *= tile.decay(exponent, "e")
    value = coef * tile.sum(W) if wanted else None
    if length is not None or shape is not None:
        share = tile.copy(p, "work")
        share += 1.0
        share = tile.ratio(p, share)
        if length is not None:
            length.add(tile, W, share, 2.0 * a * coef)
        if shape is not None:
            share -= logarithm
            tile.add(shape, a * coef * tile.dot(W, share))
    return value
