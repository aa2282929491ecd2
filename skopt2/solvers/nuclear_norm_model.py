r"""The quadratic loss of several tasks in the coordinates of a small basis.

Problem: f(W) = sum_i s_i |y_i - W'x_i|^2 / 2 for centred x_i and y_i.
Symbols: A = sqrt(s) * X (n, p); W = V B with B (r, K) and V (p, r); e (r,), with
V'A'A V = diag(e); C = V'A'sqrt(s)Y (r, K).

For r = min(n, p) there is such a V with orthonormal columns that loses nothing. Let V
be a basis of the row space of A, and split any W = V B + N with V'N = 0. Then A N = 0,
so f(W) = f(V B). And V B = V V'W is a projection of W, which raises no singular value:
V V'W = P W with |P| <= 1, hence sigma_j(P W) <= sigma_j(W) for all j. So V B is at
least as good as W under any penalty that grows with the singular values. Those of V B
are those of B.

For p <= n, V holds the eigenvectors of A'A. For p > n, V = A'U diag(e)^(-1/2) with the
eigenvectors U of A A', and is never formed: V B = A'(U (e^(-1/2) B)), V'A' = e^(1/2)U'.
In these coordinates the Hessian of f is diagonal, and a proximal step costs no product
with the data.

The eigenvalues carry an error of eps * max(e). Solvers therefore take the gradient at
their last look from the data, and add the change, e * (B - B0), from here.

Source: G. Golub and C. Van Loan, Matrix Computations, 4th edition, 2013, sections 2.4
and 8.6 (singular values of products).
"""

import numpy as np

from skopt2._core.array import accumulation_dtype, asarray_like, dot64, max_abs
from skopt2.solvers.composite import MARGIN

# Beyond so many coordinates an eigendecomposition costs more than the products that it
# saves; up to so many a matrix A'A is held.
SPECTRAL_LIMIT, GRAM_LIMIT = 1500, 4000
# Entries of a dense block that is centred and scaled at a time.
BLOCK = 4_000_000
POWER_ITERATIONS = 30
LEAST_SQUARES_LIMIT = 1000


class Columns:
    """The centred columns of a design as a linear operator, beside X.

    Parameters
    ----------
    design : Design
        On any device.
    """

    def __init__(self, design):
        self.X, self.s, self.xp = design.X, design.s, design.xp
        self.n, self.p, self.sparse = design.n, design.p, design.sparse
        self.means = None
        if design.means is not None:
            self.means = design.to_device(design.means)
            if not self.sparse and design.drowned:
                self.X, self.means = self.X - self.means, None
        self.Xt = self.X.T

    def times(self, W):
        """Return X W, (n, K)."""
        eta = self.X @ W
        return eta if self.means is None else eta - (self.means @ W)[None, :]

    def adjoint(self, v):
        """Return X'v, (p, K)."""
        out = self.Xt @ v
        if self.means is not None:
            out = out - self.means[:, None] * self.xp.sum(v, axis=0)[None, :]
        return out

    def _wide(self, x):
        return self.xp.astype(x, accumulation_dtype(x))

    def gram(self):
        """Return A'A, (p, p)."""
        xp = self.xp
        if self.sparse:
            out = (self.Xt @ self.X.multiply(self.s[:, None])).toarray()
            out = self._wide(out)
            if self.means is None:
                return out
            m = self._wide(self.means)
            return out - m[:, None] * m[None, :]
        root, out = self.s**0.5, None
        step = max(1, BLOCK // self.p)
        for start in range(0, self.n, step):
            stop = min(start + step, self.n)
            block = self.X[start:stop, :]
            if self.means is not None:
                block = block - self.means
            block = block * root[start:stop][:, None]
            part = self._wide(xp.matrix_transpose(block) @ block)
            out = part if out is None else out + part
        return out

    def kernel(self):
        """Return A A', (n, n)."""
        xp, root = self.xp, self._wide(self.s**0.5)
        if self.sparse:
            out = self._wide((self.X @ self.Xt).toarray())
            if self.means is not None:
                m = self._wide(self.means)
                shift = self._wide(self.X @ self.means)
                out = out - shift[:, None] - shift[None, :] + xp.sum(m * m)
        else:
            out, step = None, max(1, BLOCK // self.n)
            for start in range(0, self.p, step):
                stop = min(start + step, self.p)
                block = self.X[:, start:stop]
                if self.means is not None:
                    block = block - self.means[start:stop]
                part = self._wide(block @ xp.matrix_transpose(block))
                out = part if out is None else out + part
        return out * root[:, None] * root[None, :]


class EigenModel:
    """Coordinates in which the Hessian is diagonal.

    Parameters
    ----------
    columns : Columns
        The design.
    y : array of shape (n, K)
        Centred targets.
    """

    def __init__(self, columns, y):
        xp = self.xp = columns.xp
        self.columns, self.y, self.tall = columns, y, columns.p <= columns.n
        matrix = columns.gram() if self.tall else columns.kernel()
        e, U = xp.linalg.eigh(matrix)
        eps = float(xp.finfo(columns.s.dtype).eps)
        top = float(e[-1])
        if self.tall:
            e = xp.where(e > 0.0, e, xp.zeros_like(e))
        else:
            noise = eps * e.shape[0] * max(top, 0.0)
            kept = max(1, int(xp.sum(xp.astype(e > noise, xp.int64))))
            e, U = e[-kept:], U[:, -kept:]
            e = xp.where(e > 0.0, e, xp.ones_like(e))
        self.e, self.U, self.Ut = e[:, None], U, xp.matrix_transpose(U)
        self.bound = top if top > 0.0 else 1.0
        self.diagonal = self.e
        self.shape = (e.shape[0], y.shape[1])
        self._root = columns._wide(columns.s**0.5)[:, None]
        self.target = self.reduce(y)
        self.energy = dot64(self._root * y, self._root * y)

    def _narrow(self, x):
        return self.xp.astype(x, self.y.dtype)

    def curved(self, D):
        """Return the Hessian applied to a change of the coordinates."""
        return self.e * D

    def reduce(self, v):
        """Return V'X'(s * v), (r, K), for v (n, K): minus a gradient at residual v."""
        if self.tall:
            s = self.columns.s[:, None]
            return self.Ut @ self.columns._wide(self.columns.adjoint(s * v))
        return self.e**0.5 * (self.Ut @ (self._root * v))

    def to_features(self, B):
        """Return W = V B, (p, K), beside X."""
        if self.tall:
            return self._narrow(self.U @ B)
        inner = self._root * (self.U @ (B / self.e**0.5))
        return self.columns.adjoint(self._narrow(inner))

    def from_features(self, W):
        """Return V'W, (r, K)."""
        if self.tall:
            return self.Ut @ self.columns._wide(W)
        eta = self._root * self.columns._wide(self.columns.times(W))
        return (self.Ut @ eta) / self.e**0.5


class PlainModel:
    """The coefficients as their own coordinates, where an eigenbasis costs too much.

    Parameters
    ----------
    columns : Columns
        The design.
    y : array of shape (n, K)
        Centred targets.
    norms : ndarray of shape (p,)
        Weighted squared norms of the columns, in host memory.
    """

    def __init__(self, columns, y, norms):
        self.xp = columns.xp
        self.columns, self.y = columns, y
        self.shape = (columns.p, y.shape[1])
        self._s = columns.s[:, None]
        few = columns.p <= min(columns.n, GRAM_LIMIT)
        self._gram = columns.gram() if few and not columns.sparse else None
        self.target = self.reduce(y)
        self.energy = dot64(self._s * y, y)
        largest = float(norms.max(initial=0.0))
        floor = np.maximum(norms, 1e-12 * largest if largest > 0.0 else 1.0)
        self.diagonal = asarray_like(floor, self.target)[:, None]
        self.bound = self._largest_eigenvalue() * MARGIN

    def _largest_eigenvalue(self):
        """Return an estimate from below by the power method."""
        xp, p = self.xp, self.shape[0]
        v = asarray_like(np.cos(1.0 + 1.7 * np.arange(p))[:, None], self.target)
        v, size = v * self.diagonal**0.5, 0.0
        for _ in range(POWER_ITERATIONS):
            length = float(xp.linalg.vector_norm(v))
            if not length > 0.0:
                return 1.0
            v = self.curved(v / length)
            size = float(xp.linalg.vector_norm(v))
        return size if size > 0.0 else 1.0

    def curved(self, D):
        """Return the Hessian applied to a change of the coefficients."""
        if self._gram is not None:
            return self._gram @ D
        return self.reduce(self.columns.times(self.to_features(D)))

    def reduce(self, v):
        """Return X'(s * v), (p, K), for v (n, K)."""
        return self.columns._wide(self.columns.adjoint(self._s * v))

    def to_features(self, B):
        """Return the coefficients in the dtype of X."""
        return self.xp.astype(B, self.y.dtype)

    def from_features(self, W):
        """Return the coefficients in the dtype of the computations."""
        return self.columns._wide(W)


def make_model(problem, limit=SPECTRAL_LIMIT):
    """Return the coordinates for a problem.

    Parameters
    ----------
    problem : MultiTaskProblem
        Any.
    limit : int
        Most coordinates that an eigenbasis is computed for.
    """
    columns = Columns(problem.design)
    if min(columns.n, columns.p) <= limit:
        return EigenModel(columns, problem.y)
    return PlainModel(columns, problem.y, problem.design.squared_norms)


def least_squares(curved, diagonal, x, M, expired):
    """Return the minimiser without a penalty, by conjugate gradients from a point.

    Parameters
    ----------
    curved : callable
        The Hessian applied to a change.
    diagonal : array broadcastable to x
        Its diagonal, nonnegative.
    x, M : array of shape (r, K)
        The point and its gradient.
    expired : callable
        True when time is up.
    """
    scale = diagonal + 1e-14 * max_abs(diagonal)
    r = -M
    z = r / scale
    p, rz = z, dot64(r, z)
    goal = rz * 1e-28
    for _ in range(LEAST_SQUARES_LIMIT):
        if not rz > goal or expired():
            break
        Hp = curved(p)
        bent = dot64(p, Hp)
        if not bent > 0.0:
            break
        step = rz / bent
        x, r = x + step * p, r - step * Hp
        z = r / scale
        rz, old = dot64(r, z), rz
        p = z + (rz / old) * p
    return x
