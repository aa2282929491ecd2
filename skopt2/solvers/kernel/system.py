"""The linear system behind kernel ridge regression and Gaussian processes.

Problem: minimise over a (n, c)

    1/2 tr a'H a - tr a'Y,    H = K + Lambda,

whose solution is H a = Y. Symbols: K (n, n) the kernel matrix, positive semidefinite
and known through a :class:`~skopt2.kernels.KernelOperator`; Lambda = diag(lam_1 ..
lam_n) >= 0; Y (n, c) targets in columns, which share every pass over K; R = Y - H a the
residual.

Each column of Y is divided by its root mean square here: whatever a solver decides is
then free of the units of Y, and squares neither overflow nor vanish.
"""

import numpy as np

from skopt2._core.array import (
    accumulation_dtype,
    asarray_like,
    device_of,
    namespace,
    take,
    to_numpy,
)


class KernelSystem:
    """A kernel system with columns of unit root mean square.

    Parameters
    ----------
    operator : KernelOperator
        Symmetric, of shape (n, n).
    Y : array of shape (n, c)
        Targets, in the units of the caller.
    lam : float or array of shape (n,)
        Diagonal of Lambda, not negative.
    allowance : float or ndarray of shape (c,), default=1.0
        Numbers by which the relative residuals of the columns are divided: a column
        with the allowance 4 may be four times less accurate than the others.

    Attributes
    ----------
    n, c : int
        Numbers of rows and columns.
    Y : array of shape (n, c)
        Targets divided by ``units``, in the dtype of the operator.
    units : array of shape (c,)
        Root mean square of the columns; 1 for a column of zeros.
    lam : array of shape (n, 1)
        Diagonal of Lambda.
    diagonal : array of shape (n, 1)
        Diagonal of K, not below 0.
    preconditioner : array of shape (n, 1)
        Diagonal of H; 1 where it is 0.
    scale : float
        Mean of the diagonal of K, the size of the kernel; 1 where it is 0.
    least : float
        Smallest lam_i / (k(x_i, x_i) + lam_i): 0 without regularisation.

    Raises
    ------
    ValueError
        If shapes do not fit, or lam is negative or not finite.
    """

    def __init__(self, operator, Y, lam, allowance=1.0):
        n, m = operator.shape
        if n != m:
            raise ValueError(
                "A kernel system needs the square operator of one set of points; got "
                f"the shape {operator.shape}."
            )
        if len(Y.shape) != 2 or Y.shape[0] != n:
            raise ValueError(
                f"Y must have the shape ({n}, c) of the operator's rows; got "
                f"{tuple(Y.shape)}."
            )
        self.operator, self.n, self.c = operator, int(n), int(Y.shape[1])
        xp = self.xp = namespace(Y)
        Y = xp.astype(Y, operator.dtype, copy=True)
        self.lam = _diagonal_of(lam, Y)
        self.diagonal = xp.reshape(xp.maximum(operator.diagonal(), Y[:, 0] * 0), (n, 1))
        self.scale = float(xp.mean(self.diagonal)) or 1.0
        # A row of zeros has curvature 0, and no step along it.
        self.preconditioner = self.diagonal + self.lam
        self.preconditioner += xp.astype(self.preconditioner == 0, Y.dtype)
        self.least = float(xp.min(self.lam / self.preconditioner)) if n else 0.0
        self.eps = float(xp.finfo(Y.dtype).eps)
        largest = xp.max(xp.abs(Y), axis=0)
        largest = xp.where(largest > 0, largest, xp.ones_like(largest))
        Y /= largest
        norms = self.column_norms(Y) / max(n, 1) ** 0.5
        norms[norms == 0.0] = 1.0
        norms = asarray_like(norms, Y)
        self.Y = Y / norms
        self.units = largest * norms
        # What the residuals are relative to: sqrt(n) but for rounding, and for zeros.
        self.size = self.column_norms(self.Y)
        self.size[self.size == 0.0] = 1.0
        self.size *= allowance

    def column_norms(self, V):
        """Return the Euclidean norm of each column in float64, on the host.

        Parameters
        ----------
        V : array of shape (n, c)
            Vectors.

        Returns
        -------
        norms : ndarray of shape (c,)
        """
        xp = self.xp
        if xp is np:
            return np.sqrt(np.einsum("ij,ij->j", V, V, dtype=np.float64))
        wide = xp.astype(V, accumulation_dtype(V))
        return np.asarray(to_numpy(xp.sqrt(xp.sum(wide * wide, axis=0))))

    def relative_columns(self, R):
        """Return abs(R_j) / abs(Y_j) of each column j, by its allowance, on the host.

        Parameters
        ----------
        R : array of shape (n, c)
            Residual.

        Returns
        -------
        values : ndarray of shape (c,)
            Not finite where a residual is not.
        """
        return self.column_norms(R) / self.size

    def gradient(self, index, V):
        """Return rows of H V - Y: the gradient of the objective at V.

        Parameters
        ----------
        index : array of int of shape (k,)
            Which rows.
        V : array of shape (n, c)
            Point.

        Returns
        -------
        G : array of shape (k, c)
        """
        G = self.operator.rows(index, V)
        G += take(self.lam, index) * take(V, index)
        G -= take(self.Y, index)
        return G

    def residual(self, V):
        """Return Y - H V, by one pass over the kernel matrix.

        Parameters
        ----------
        V : array of shape (n, c)
            Point.

        Returns
        -------
        R : array of shape (n, c)
        """
        R = self.Y - self.lam * V
        R -= self.operator.product(V)
        return R

    def measured(self, a):
        """Return a point, its residual, and the sizes of its columns.

        Columns that are worse than 0, whose residual is Y, become 0.

        Parameters
        ----------
        a : array of shape (n, c)
            Point.

        Returns
        -------
        a, R : array of shape (n, c)
            The point, and its residual by one pass over the kernel matrix.
        values : ndarray of shape (c,)
            Residuals relative to Y, at most 1.
        """
        R = self.residual(a)
        values = self.relative_columns(R)
        useful = values <= 1.0
        if not useful.all():
            mask = asarray_like(useful, self.Y, self.xp.bool)
            a = self.xp.where(mask, a, self.xp.zeros_like(a))
            R = self.xp.where(mask, R, self.Y)
            values = np.where(useful, values, 1.0)
        return a, R, values

    def multiply(self, V):
        """Return H V, by one pass over the kernel matrix.

        Parameters
        ----------
        V : array of shape (n, k)
            Vectors.

        Returns
        -------
        product : array of shape (n, k)
        """
        return self.operator.product(V) + self.lam * V

    def block(self, index):
        """Return H restricted to some rows and the same columns.

        Parameters
        ----------
        index : array of int of shape (k,)
            Which.

        Returns
        -------
        H : array of shape (k, k)
            A copy.
        """
        H = self.operator.block(index, index)
        return add_to_diagonal(H, take(self.lam, index)[:, 0])

    def objective(self, a, R):
        """Return the objective of a point with the residual R, in the caller's units.

        Parameters
        ----------
        a, R : array of shape (n, c)
            Point, and its residual.

        Returns
        -------
        value : float
            Sum over the columns; accumulated in float64.
        """
        xp = self.xp
        wide = accumulation_dtype(a)
        terms = xp.sum(xp.astype(a * (R + self.Y), wide), axis=0)
        units = xp.astype(self.units, wide)
        return -0.5 * float(xp.sum(terms * units * units))

    def rounding(self, a):
        """Return the relative residual that rounding in products with K explains.

        Parameters
        ----------
        a : array of shape (n, c)
            Point.

        Returns
        -------
        floor : float
            eps k |a_j| sqrt(n) / |Y_j|, the largest of all columns j.
        """
        norms = self.column_norms(a) / self.size
        largest = float(np.max(norms)) if self.c else 0.0
        return self.eps * self.scale * self.n**0.5 * largest

    def zeros(self):
        """Return the point 0, an array of shape (n, c)."""
        return self.xp.zeros_like(self.Y)

    def to_units(self, a):
        """Return coefficients in the units of the caller.

        Parameters
        ----------
        a : array of shape (n, c)
            Solution of this system.

        Returns
        -------
        a : array of shape (n, c)
        """
        return a * self.units

    def from_units(self, a):
        """Return a copy of coefficients, in the units of this system.

        Parameters
        ----------
        a : array of shape (n, c)
            In the units of the caller.

        Returns
        -------
        a : array of shape (n, c)
            In the dtype of the operator.

        Raises
        ------
        ValueError
            If the shape is another one.
        """
        if tuple(a.shape) != (self.n, self.c):
            raise ValueError(
                f"start must have the shape {(self.n, self.c)} of Y; got "
                f"{tuple(a.shape)}."
            )
        return self.xp.astype(a, self.Y.dtype) / self.units


def add_to_diagonal(H, values):
    """Add values to the diagonal of a square matrix, in place where that is possible.

    Parameters
    ----------
    H : array of shape (k, k)
        Overwritten for NumPy and CuPy.
    values : float or array of shape (k,)
        What to add.

    Returns
    -------
    H : array of shape (k, k)
    """
    xp = namespace(H)
    if xp.__name__ == "array_api_strict":
        eye = xp.eye(H.shape[0], dtype=H.dtype, device=H.device)
        return H + eye * values
    if xp is np:
        H.flat[:: H.shape[0] + 1] += values
    else:
        index = xp.arange(H.shape[0], device=device_of(H))
        H[index, index] += values
    return H


def _diagonal_of(lam, Y):
    """Return the diagonal of Lambda as a column beside Y, checked."""
    xp, n = namespace(Y), int(Y.shape[0])
    values = np.asarray(to_numpy(lam), dtype=np.float64)
    if values.shape not in ((), (n,)):
        raise ValueError(
            f"lam must be a number or have the shape ({n},); got {values.shape}."
        )
    if not (np.isfinite(values).all() and (values >= 0).all()):
        raise ValueError("lam must be finite and not negative.")
    return xp.reshape(asarray_like(np.broadcast_to(values, (n,)), Y), (n, 1))
