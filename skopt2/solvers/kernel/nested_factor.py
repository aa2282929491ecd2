"""Cholesky factors of kernel matrices that grow by one row at a time.

Problem: keep L, L L' = S K_DD S + gamma I for a dictionary D of points z_1 .. z_j to
which points are added, and the coordinates q(x) = L^-1 S k_D(x) of other points.

Symbols: s_i > 0 the scale of the i-th point, S their diagonal matrix; k_D(x) (j,) the
kernel between x and the dictionary; gamma >= 0.

A new point appends a row to L and a coordinate to q, and leaves all others as they are.
With gamma = 0 and s = 1 the map q is an isometry from the span of the k(z_i, .) to R^j:
q(x)' q(x') is the inner product of the projections of k(x, .) and k(x', .), so a vector
of coefficients of q keeps its meaning when the dictionary grows.
"""

import numpy as np
from scipy.linalg import solve_triangular


class NestedFactor:
    """Factor of the kernel matrix of a dictionary.

    Parameters
    ----------
    gamma : float, default=0.0
        What is added to the diagonal.
    """

    def __init__(self, gamma=0.0):
        self.gamma = float(gamma)
        self.scales = np.empty(0)
        self._rows = np.zeros((0, 0))

    @property
    def size(self):
        """Number of points j of the dictionary."""
        return self.scales.size

    @property
    def matrix(self):
        """The factor L, shape (j, j)."""
        return self._rows[: self.size, : self.size]

    def coordinates(self, block):
        """Return the coordinates of points.

        Parameters
        ----------
        block : ndarray of shape (j, b)
            Kernel between the dictionary and the points.

        Returns
        -------
        q : ndarray of shape (j, b)
        """
        if not self.size:
            return np.zeros((0, block.shape[1]))
        scaled = self.scales[:, None] * block
        return solve_triangular(self.matrix, scaled, lower=True, check_finite=False)

    def append(self, own, q, others, kernel, scale=1.0):
        """Add a point to the dictionary.

        Parameters
        ----------
        own : float
            k(z, z) of the point.
        q : ndarray of shape (j,)
            Its coordinates.
        others : ndarray of shape (j, b)
            Coordinates of other points.
        kernel : ndarray of shape (b,)
            Kernel between it and the others.
        scale : float, default=1.0
            s of the point.

        Returns
        -------
        row : ndarray of shape (b,)
            The new coordinate of the others.
        """
        j = self.size
        if j == self._rows.shape[0]:
            larger = np.zeros((2 * j + 16, 2 * j + 16))
            larger[:j, :j] = self._rows
            self._rows = larger
        pivot = np.sqrt(scale**2 * (own - q @ q) + self.gamma)
        self._rows[j, :j] = scale * q
        self._rows[j, j] = pivot
        self.scales = np.append(self.scales, scale)
        return scale * (kernel - q @ others) / pivot

    def coefficients(self, w):
        """Return a' in f(x) = sum_i a_i k(z_i, x) for f(x) = w' q(x).

        Parameters
        ----------
        w : ndarray of shape (c, j)
            Coefficients of the coordinates, for c functions.

        Returns
        -------
        a : ndarray of shape (j, c)
        """
        if not self.size:
            return np.zeros((0, w.shape[0]))
        a = solve_triangular(
            self.matrix, w.T, lower=True, trans="T", check_finite=False
        )
        return self.scales[:, None] * a
