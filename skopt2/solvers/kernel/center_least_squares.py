"""Kernel least squares on centres, solved from normal equations.

Problem: f(x) = sum_j a_j k(x, z_j) for centres z_j; minimise over a (p, c)

    F(a) = sum_i w_i |y_i - f(x_i)|^2 + alpha tr a'K a,    K = k(Z, Z).

Symbols: K_I = k(X_I, Z) rows of a chunk; L the Cholesky factor of K, after centres that
are combinations of the others to rounding have been left out
(:mod:`skopt2.solvers.kernel.center_factor`); P_I = K_I L^-T whitened rows, the features
of the rows in an orthonormal basis of the centres' functions; b = L'a. In these
variables, with sums over chunks in float64,

    M = sum_I P_I'W_I P_I,    m = sum_I P_I'W_I Y_I,    (M + alpha I) b = m.

M may need a jitter, whose effect iterative refinement takes away. Whitening the rows
before their Gram matrix is formed doubles the work of the plain normal equations, whose
condition number is that of M times that of K: where the kernel is smooth and alpha
small, the plain ones lose half of all digits or more. A float32 Gram matrix, of either
kind, is indefinite by rounding alone.

Source: the normal equations of regression on a subset of regressors, as in A. Rudi, L.
Carratino and L. Rosasco, FALKON: an optimal large scale kernel method, NeurIPS 2017,
sections 2 and 3; there the factor is part of a preconditioner.
"""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg

from skopt2._core.array import (
    accumulation_dtype,
    device_of,
    index_like,
    move,
    namespace,
    put,
    take,
    to_numpy,
)
from skopt2._core.transfer import convert
from skopt2.kernels import KernelOperator
from skopt2.kernels.points import check_points
from skopt2.solvers.kernel.center_data import CenterChunk
from skopt2.solvers.kernel.center_factor import (
    add_to_diagonal,
    factor_pivots,
    jittered_factor,
)

# Rows of a chunk whose Gram matrix is added at once, and entries of their kernel block.
ROWS, ENTRIES = 256, 2**20
# Most steps of iterative refinement.
REFINEMENTS = 10


@dataclass(frozen=True)
class CenterSolution:
    """Coefficients on centres, and how well they solve the normal equations.

    Parameters
    ----------
    a : array of shape (p, c)
        Coefficients, in the dtype of the centres.
    objective : float
        F(a).
    residual : float
        Norm of m - (M + alpha I) b over that of m, the largest of all
        targets: measured with the sums, not with the factor that gave the solution.
    jitter : float
        Relative size of what was added to the diagonal of M to factor it; the residual
        is that without it.
    """

    a: Any
    objective: float
    residual: float
    jitter: float


class CenterLeastSquares:
    """Normal equations of a kernel model on centres, chunk by chunk.

    Parameters
    ----------
    kernel : Kernel
        Resolved on the centres where a parameter such as "median" is left.
    Z : array of shape (p, d)
        Centres, float32 or float64, of any array namespace.

    Attributes
    ----------
    n_rows : int
        Rows so far.
    pivots : ndarray of shape (r,)
        Numbers of the centres that are not left out.
    factor : TriangularFactor
        L, of their kernel matrix.
    gram : array of shape (r, r)
        M, in float64; NumPy keeps its lower triangle alone.
    moment : array of shape (r, c) or None
        m, in float64.

    Raises
    ------
    ValueError
        If the centres are no finite matrix, or the kernel is not positive semidefinite.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.kernels import Gaussian
    >>> from skopt2.solvers.kernel.center_least_squares import CenterLeastSquares
    >>> Z = np.array([[0.0], [2.0]])
    >>> model = CenterLeastSquares(Gaussian(length_scale=1.0), Z)
    >>> model.update(Z, np.array([[1.0], [3.0]])).solve(alpha=0.0).a.round(3).tolist()
    [[0.605], [2.918]]
    """

    def __init__(self, kernel, Z):
        self.Z = Z = check_points(Z, "Z")
        self.kernel = kernel.resolve(Z)
        self.n_rows, self.moment, self._square = 0, None, 0.0
        self._wide = accumulation_dtype(Z)
        xp = namespace(Z)
        points = xp.astype(Z, self._wide, copy=False)
        self.pivots, self.factor = factor_pivots(
            KernelOperator(self.kernel, points, store=False),
            float(xp.finfo(Z.dtype).eps),
        )
        r = int(self.pivots.shape[0])
        index = index_like(self.pivots, Z)
        self._index, self._kept = index, take(Z, index)
        if xp is np:
            # BLAS adds to one triangle of a matrix in Fortran order without a copy.
            self.gram = np.zeros((r, r), order="F")
        else:
            self.gram = xp.zeros((r, r), dtype=self._wide, device=device_of(Z))

    def moved(self, target):
        """Return the equations on a target; themselves where they are there.

        Parameters
        ----------
        target : Target
            Where to.

        Returns
        -------
        model : CenterLeastSquares
        """
        if move(self.Z, target) is self.Z:
            return self
        new = copy.copy(self)
        for name in ("Z", "moment", "_index", "_kept"):
            setattr(new, name, move(getattr(self, name), target))
        new.kernel = convert(self.kernel, target)
        new.factor = self.factor.moved(target)
        gram = to_numpy(self.gram)
        if namespace(self.Z) is np:
            gram = np.tril(gram) + np.tril(gram, -1).T
        if target.kind == "numpy":
            new.gram = np.asfortranarray(gram)
        else:
            new.gram = move(np.ascontiguousarray(gram), target)
        new._wide = accumulation_dtype(new.Z)
        return new

    def update(self, X, Y, weight=None):
        """Add rows.

        Parameters
        ----------
        X : array of shape (m, d)
            Rows.
        Y : array of shape (m, c)
            Targets.
        weight : array-like of shape (m,) or None, default=None
            Weights; None for ones.

        Returns
        -------
        self : CenterLeastSquares

        Raises
        ------
        ValueError
            If a shape does not fit, or a value is not finite, or a weight negative, or
            the number of targets has changed.
        """
        if not int(X.shape[0]):
            return self
        chunk = CenterChunk(self.kernel, self._kept, X, Y, weight)
        xp, c, r = namespace(self.Z), int(chunk.Y.shape[1]), int(self._kept.shape[0])
        if self.moment is not None and int(self.moment.shape[1]) != c:
            raise ValueError(
                f"Y has {c} targets, the rows before had {int(self.moment.shape[1])}."
            )
        step = max(ROWS, ENTRIES // r)
        for start in range(0, chunk.n, step):
            index = slice(start, min(start + step, chunk.n))
            K = chunk.operator.block(index, slice(0, r))
            K = xp.astype(K, self._wide, copy=False)
            Y, weight = chunk.targets(index)
            Y = xp.astype(Y, self._wide)
            if weight is not None:
                root = xp.sqrt(xp.astype(weight, self._wide))
                K, Y = K * root, Y * root
            self._accumulate(K, Y)
        self.n_rows += chunk.n
        return self

    def _accumulate(self, K, Y):
        """Add the sums of some rows, whose weights are in them already."""
        xp = namespace(K)
        P = self.factor.whiten(xp.matrix_transpose(K))
        moment = P @ Y
        self.moment = moment if self.moment is None else self.moment + moment
        self._square += float(xp.sum(Y * Y))
        if xp is np:
            self.gram = scipy.linalg.blas.dsyrk(
                1.0, P, beta=1.0, c=self.gram, lower=1, overwrite_c=1
            )
        else:
            self.gram += P @ xp.matrix_transpose(P)

    def solve(self, alpha=0.0):
        """Solve for the rows so far; more rows may follow.

        Parameters
        ----------
        alpha : float, default=0.0
            Ridge, not negative.

        Returns
        -------
        solution : CenterSolution

        Raises
        ------
        ValueError
            If there are no rows, or alpha is out of range.
        """
        if self.moment is None:
            raise ValueError("There are no rows yet: call update first.")
        if not 0.0 <= alpha < float("inf"):
            raise ValueError(f"alpha must be finite and not negative; got {alpha!r}.")
        alpha = float(alpha)
        b, jitter = self._refine(alpha)
        R = self._residual(b, alpha)
        value = self._square - float(namespace(b).sum(b * (self.moment + R)))
        return CenterSolution(
            self._coefficients(b), max(value, 0.0), self._relative(R), jitter
        )

    def gradient_norm(self, g):
        """Return the norm of a gradient relative to that at a = 0.

        Parameters
        ----------
        g : array of shape (p, c)
            Half the gradient with respect to a, for example from another pass.

        Returns
        -------
        value : float
            Norm of the function in the span of the centres with the values g there,
            the largest of all targets.
        """
        g = take(g, self._index)
        return self._relative(self.factor.whiten(g))

    def _coefficients(self, b):
        """Return a, with zeros for the centres that are left out."""
        xp, Z = namespace(self.Z), self.Z
        kept = xp.astype(self.factor.unwhiten(b), Z.dtype, copy=False)
        shape = (int(Z.shape[0]), int(b.shape[1]))
        a = xp.zeros(shape, dtype=Z.dtype, device=device_of(Z))
        return put(a, self._index, kept)

    def _residual(self, b, alpha):
        """Return m - (M + alpha I) b."""
        if namespace(b) is np:
            product = scipy.linalg.blas.dsymm(1.0, self.gram, b, lower=1)
        else:
            product = self.gram @ b
        return self.moment - product - alpha * b

    def _relative(self, R):
        """Return the largest relative norm of a column."""
        xp = namespace(R)
        size = xp.sqrt(xp.sum(self.moment * self.moment, axis=0))
        size = xp.where(size > 0, size, xp.ones_like(size))
        return float(xp.max(xp.sqrt(xp.sum(R * R, axis=0)) / size))

    def _refine(self, alpha):
        """Return b, refined while its residual falls, and the relative jitter."""
        M = self.gram

        def matrix():
            # The factorisation reads one triangle alone, and overwrites its argument.
            copy = M.copy(order="F") if namespace(M) is np else M
            return add_to_diagonal(copy, alpha)

        inner = jittered_factor(matrix)
        size = float(namespace(M).mean(namespace(M).linalg.diagonal(M))) or 1.0
        b = inner.solve(self.moment)
        R = self._residual(b, alpha)
        value = self._relative(R)
        for _ in range(REFINEMENTS):
            trial = b + inner.solve(R)
            R = self._residual(trial, alpha)
            before, value = value, self._relative(R)
            if value < before:
                b = trial
            if not value < 0.5 * before:
                break
        return b, inner.jitter / size
