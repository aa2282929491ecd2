"""Lower bounds M of the Hessian of a fit, which measure distances between fits.

Hessian: H = Z' diag(s l'') Z + diag(0, l2) on the coordinates (b, w) that matter; for K
outputs l'' is a K x K matrix for each row, and the coordinates are flat, row by row.
Symbols: Z (n, o + m), the rows of :mod:`rows`; q (k,) flat coordinates; M <= H, so that
norm_H'(v) <= norm_M'(v), where ' is the dual norm, that of the inverse.

While there are few coordinates M is factorised. Beyond, M is what can be inverted at
once: with B = H[b, b], C = H[w, b] and T = B^-1 C' the Hessian is at least B + diag(l2)
in the coordinates (b + T w, w), by the Schur complement of a positive semidefinite
matrix.
"""

import math

import numpy as np
from scipy.linalg import solve_triangular

# Coordinates up to which the Hessian is factorised.
LIMIT = 1200


class Coordinates:
    """The coefficients that matter, as one flat vector.

    Parameters
    ----------
    rows : Rows
        Of the training samples.
    K : int
        Outputs.
    kept : ndarray of bool of shape ((o + m) * K,)
        Which coordinates matter; those of the intercept always do.
    """

    def __init__(self, rows, K, kept):
        self.rows, self.K, self.kept = rows, K, np.flatnonzero(kept)
        self.full = kept.size
        self.n_free = rows.offset * K
        # Position among the rows of Z', and output, of each coordinate.
        self.place, self.output = self.kept // K, self.kept % K
        self.size = self.kept.size

    def expand(self, q):
        """Return flat coordinates as coefficients of Z, (o + m,) or (o + m, K)."""
        full = np.zeros(self.full)
        full[self.kept] = q
        return full if self.K == 1 else full.reshape(-1, self.K)

    def collect(self, v):
        """Return the flat coordinates of coefficients of Z."""
        return v.ravel()[self.kept]


class Hessian:
    """Products with H at one point.

    Parameters
    ----------
    coordinates : Coordinates
        What it acts on.
    problem : LinearProblem
        Loss and weights.
    curvature : ndarray of shape (n,) or (n, K)
        As the loss gives it.
    l2 : ndarray of shape (k,)
        Levels of the squares, 0 for the intercept.
    """

    def __init__(self, coordinates, problem, curvature, l2):
        self.coordinates, self.problem = coordinates, problem
        self.curvature, self.l2 = curvature, l2

    def __matmul__(self, q):
        """Return H q."""
        c, problem = self.coordinates, self.problem
        bent = problem.curvature_product(self.curvature, c.rows.times(c.expand(q)))
        out = c.collect(c.rows.adjoint(bent)) + self.l2 * q
        if c.K > 1:
            # A constant added to all intercepts changes nothing: it is held at 0.
            out[: c.n_free] += q[: c.n_free].sum()
        return out

    def matrix(self):
        """Return H, (k, k)."""
        c, problem, K = self.coordinates, self.problem, self.coordinates.K
        Z, s = c.rows.Z, problem.s
        if K == 1:
            H = Z.T @ (Z * (s * self.curvature)[:, None])
        else:
            p = self.curvature
            H = np.empty((Z.shape[1], K, Z.shape[1], K))
            for k in range(K):
                for j in range(k + 1):
                    weight = s * p[:, k] * (float(j == k) - p[:, j])
                    H[:, k, :, j] = H[:, j, :, k] = Z.T @ (Z * weight[:, None])
            H = H.reshape(c.full, c.full)
            H[: c.n_free, : c.n_free] += 1.0
        H = H[np.ix_(c.kept, c.kept)]
        H[np.diag_indices(c.size)] += self.l2
        return H


class FactorisedMetric:
    """M = H, by the inverse of its Cholesky factor.

    Parameters
    ----------
    hessian : Hessian
        With rows that are formed.
    ridge : float, default=0.0
        Added to the diagonal, relative to it: no bound then.

    Raises
    ------
    numpy.linalg.LinAlgError
        If H is singular: no norm bounds the distance of two fits.
    """

    def __init__(self, hessian, ridge=0.0):
        self.coordinates = hessian.coordinates
        H = hessian.matrix()
        size = np.sqrt(H.diagonal())
        if ridge:
            size = np.where(size > 0.0, size, 1.0)
        elif not (size > 0.0).all():
            raise np.linalg.LinAlgError("a coordinate has no curvature")
        H /= np.multiply.outer(size, size)
        H[np.diag_indices(size.size)] += ridge
        factor = np.linalg.cholesky(H)
        if not ridge and factor.size and factor.diagonal().min() < 1e-7:
            raise np.linalg.LinAlgError("the Hessian is singular to working precision")
        eye = np.eye(H.shape[0])
        self._inverse = solve_triangular(factor, eye, lower=True) / size

    def solve(self, v):
        """Return M^-1 v."""
        return self._inverse.T @ (self._inverse @ v)

    def dual_norm(self, v):
        """Return the norm of v in M^-1."""
        return float(np.linalg.norm(self._inverse @ v))

    def row_norms(self, rows):
        """Return bounds of norm(z_i d) over norm_M(d) <= 1, (n,)."""
        c, total = self.coordinates, 0.0
        for k in range(c.K):
            mine = np.flatnonzero(c.output == k)
            moved = rows.Z[:, c.place[mine]] @ self._inverse[:, mine].T
            total = total + np.einsum("ij,ij->i", moved, moved)
        return np.sqrt(total)

    def coordinate_norms(self):
        """Return the largest abs(d_j) over norm_M(d) <= 1, (k,)."""
        return np.linalg.norm(self._inverse, axis=0)

    def spread(self, values, groups, n_groups):
        """Return the largest norm of (sum_{j in g} values_j d_j)_g, norm_M(d) <= 1.

        Parameters
        ----------
        values : ndarray of shape (k,)
            Of the coordinates.
        groups : ndarray of int of shape (k,)
            Number g of each.
        n_groups : int
            How many there are.
        """
        if not values.size:
            return 0.0
        # Groups without a coordinate are zero.
        used, index = np.unique(groups, return_inverse=True)
        J = np.zeros((values.size, used.size))
        J[np.arange(values.size), index.ravel()] = values
        moved = self._inverse @ J
        gram = moved.T @ moved
        return math.sqrt(max(float(np.linalg.eigvalsh(gram)[-1]), 0.0))


class DiagonalMetric:
    """M for many coordinates, all of which have a positive l2 but the intercepts.

    Parameters
    ----------
    hessian : Hessian
        On the coordinates.
    """

    def __init__(self, hessian):
        c = self.coordinates = hessian.coordinates
        self._o, self._d = c.n_free, 1.0 / hessian.l2[c.n_free :]
        unit = np.zeros(c.size)
        columns = []
        for k in range(self._o):
            unit[k] = 1.0
            columns.append(hessian @ unit)
            unit[k] = 0.0
        columns = np.array(columns).reshape(self._o, c.size)
        self._B = np.linalg.inv(columns[:, : self._o])
        self._T = self._B @ columns[:, self._o :]

    def _split(self, v):
        return v[: self._o], v[self._o :] - v[: self._o] @ self._T

    def solve(self, v):
        """Return M^-1 v."""
        a, rest = self._split(v)
        w = self._d * rest
        return np.concatenate([self._B @ a - self._T @ w, w])

    def dual_norm(self, v):
        """Return the norm of v in M^-1."""
        a, rest = self._split(v)
        return math.sqrt(max(float(a @ self._B @ a + rest @ (self._d * rest)), 0.0))

    def row_norms(self, rows):
        """Return bounds of norm(z_i d) over norm_M(d) <= 1, (n,)."""
        c = self.coordinates
        place, output = c.place[self._o :], c.output[self._o :]
        total = rows.squares(
            np.bincount(place - rows.offset, self._d, rows.size - rows.offset)
        )
        if self._o:
            # The square of (1, x - T) for each output, multiplied out: x stays sparse.
            own = self._T[output, np.arange(output.size)] * self._d
            total = total - 2.0 * rows.times(np.bincount(place, own, rows.size))
            total = total + float((self._T**2 @ self._d).sum() + self._B.trace())
        return np.sqrt(np.maximum(total, 0.0))

    def coordinate_norms(self):
        """Return the largest abs(d_j) over norm_M(d) <= 1, (k,)."""
        free = self._B.diagonal() + self._T**2 @ self._d
        return np.sqrt(np.concatenate([free, self._d]))

    def spread(self, values, groups, n_groups):
        """Return the largest norm of (sum_{j in g} values_j d_j)_g, norm_M(d) <= 1."""
        rest = values[self._o :]
        total = np.bincount(groups[self._o :], rest * rest * self._d, n_groups)
        return math.sqrt(float(total.max(initial=0.0)))
