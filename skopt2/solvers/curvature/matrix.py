"""A curvature matrix of the problem: products, and solutions of its linear systems.

Problem: (B + r M) d = -g with B = A' diag(s h) A + diag(q) and the symbols of
:mod:`skopt2.solvers.curvature.field`. For several outputs B is one of

- the Hessian, where row i couples the outputs by diag(h_i) - h_i h_i';
- one matrix for each output, h (n, K);
- one matrix for all of them, h (n,).

How systems are solved depends on their size, and no p x p matrix is formed where p is
large:

``gram``     N is at most MATRIX_LIMIT and not far above n: B scaled to the metric, one
             Cholesky factor for each r, or the eigenvectors for all of them;
``samples``  n is at most MATRIX_LIMIT: with E = q + r M > 0, by the matrix of the
             samples, I + (s h)^1/2 A E^-1 A' (s h)^1/2 (n, n), the identity of
             Woodbury, for r rounded, as A E^-1 A' is the same at all points, and by
             conjugate gradients for what that leaves;
``cg``       everything else: conjugate gradients on products with A and A', with the
             diagonal as preconditioner, to the relative residual FORCING.
"""

import math

import numpy as np

from skopt2._core.array import (
    accumulation_dtype,
    asarray_like,
    flatnonzero,
    namespace,
    put,
    take,
)
from skopt2.solvers.curvature.factor import Factor, Spectrum, largest
from skopt2.solvers.curvature.gram import gram, sample_kernel
from skopt2.solvers.krylov import conjugate_gradient

# The largest matrix that is formed, and the largest Hessian of several outputs.
MATRIX_LIMIT, SOFTMAX_LIMIT = 3000, 800
# Relative residual of conjugate gradients, and the largest number of products.
FORCING, CG_LIMIT, SAMPLES_LIMIT = 1e-3, 300, 30
# How much larger an r a kernel may have been formed for.
KEPT = 4.0**6
# Ridge of a system in the samples' space that has none, relative to the curvature.
LEAST = 1e-8


def choose_mode(n, N, K, coupled, sparse, on_host):
    """Return how systems are solved: ``"gram"``, ``"samples"`` or ``"cg"``.

    Parameters
    ----------
    n, N, K : int
        Samples, unknowns of an output, outputs.
    coupled : bool
        Whether the outputs are.
    sparse, on_host : bool
        What X is: a sparse one on a device has products only.
    """
    if sparse and not on_host:
        return "cg"
    if coupled:
        return "gram" if N * K <= SOFTMAX_LIMIT else "cg"
    if N <= MATRIX_LIMIT and max(2 * n, 200) >= N:
        return "gram"
    return "samples" if n <= MATRIX_LIMIT else "cg"


class CurvatureMatrix:
    """B at one point.

    Parameters
    ----------
    field : Field
        The problem.
    h : array of shape (n,) or (n, K)
        Second derivatives of the loss, or what stands for them.
    coupled : bool, default=False
        Whether h is that of a loss that couples the outputs.
    lasting : bool, default=False
        Whether so many systems follow that eigenvectors pay.
    """

    def __init__(self, field, h, coupled=False, lasting=False):
        self.field, self.h, self.coupled, self.lasting = field, h, coupled, lasting
        problem = field.problem
        xp, design = field.xp, problem.design
        self.xp, self.K = xp, problem.n_outputs
        n, N = design.n, field.N
        self.mode = choose_mode(n, N, self.K, coupled, design.sparse, design.on_host)
        self.root = field.metric**0.5
        flat = self.root if self.root.ndim == 1 else self.root[:, 0]
        self._flat = flat
        self._q = field.q / field.metric
        self.eps = float(xp.finfo(problem.y.dtype).eps)
        self._parts = self._solver = None
        self._weighted = problem.weigh(h)
        if self.mode == "gram":
            self._parts = self._form()
        self.size = self._size()

    def _size(self):
        """Return the typical size of a scaled diagonal element, as a float."""
        if self._parts is not None:
            return max(max(largest(G) for G in self._parts), 1e-300)
        total = self.xp.sum(self._weighted, axis=0)
        return max(float(self.xp.max(total)), 1e-300)

    def times(self, d):
        """Return B @ d."""
        if self.mode == "gram":
            scaled = self._wide(d * self.root)
            return self._narrow(self._apply(scaled)) * self.root
        return self.field.adjoint(self._bend(self.field.times(d))) + self.field.q * d

    def _bend(self, v):
        """Return s * h(v) for v over the samples."""
        problem = self.field.problem
        if self.coupled:
            return problem.curvature_product(self.h, v)
        h = self.h if self.h.ndim == v.ndim else self.h[:, None]
        return problem.weigh(h * v)

    def _apply(self, x):
        """Return the scaled matrix times x, both wide."""
        parts, xp = self._parts, self.xp
        if len(parts) > 1:
            return xp.stack([G @ x[:, k] for k, G in enumerate(parts)], axis=1)
        if self.coupled:
            return xp.reshape(parts[0] @ xp.reshape(x, (-1,)), x.shape)
        return parts[0] @ x

    def solve(self, g, r=0.0):
        """Return d with (B + r M) d = -g, and the residual B d + r M d + g is small.

        Parameters
        ----------
        g : array of the shape of the unknowns
            Right-hand side.
        r : float, default=0.0
            Nonnegative.
        """
        if self.mode == "gram":
            x = self._solve_gram(self._wide(-g / self.root), r)
            return self._narrow(x) / self.root
        return self._solve_products(g, r)

    def _solve_gram(self, b, r):
        xp = self.xp
        if self._solver is None or self._solver[0] != r:
            kept = self._solver[1] if self._solver and self.lasting else None
            if self.lasting:
                kept = kept or [Spectrum(G, self.eps) for G in self._parts]
                self._solver = r, kept, [one.at(r) for one in kept]
            else:
                self._solver = r, None, [Factor(G, r, self.eps) for G in self._parts]
        solvers = self._solver[2]
        if len(solvers) > 1:
            columns = [one.solve(b[:, k]) for k, one in enumerate(solvers)]
            return xp.stack(columns, axis=1)
        if self.coupled:
            return xp.reshape(solvers[0].solve(xp.reshape(b, (-1,))), b.shape)
        return solvers[0].solve(b)

    def _solve_products(self, g, r):
        """Solve by products, preconditioned by the samples' matrix or the diagonal."""
        xp, shape = self.xp, g.shape
        forcing, limit = FORCING, CG_LIMIT
        if self.mode == "samples":
            least = LEAST ** (0.5 if self.eps > 1e-10 else 1.0)
            r = max(r, rounded(least * self.size))
            inverse = self._woodbury(rounded(r))
            forcing, limit = 1e-2 * FORCING, SAMPLES_LIMIT
        else:
            r = max(r, self.eps * self.size)
            diagonal = self.diagonal() + r * self.field.metric

            def inverse(v):
                return v / diagonal

        def multiply(v):
            v = xp.reshape(v, shape)
            return xp.reshape(self.times(v) + r * self.field.metric * v, (-1,))

        def precondition(v):
            return xp.reshape(inverse(xp.reshape(v, shape)), (-1,))

        d, _ = conjugate_gradient(
            multiply,
            xp.reshape(-g, (-1,)),
            precondition,
            forcing,
            limit,
            False,
            lambda: self.field.problem.expired,
        )
        return xp.reshape(d, shape)

    def solve_on(self, force, mask, t, shift):
        """Return d, 0 off a mask, with (t B + diag(M shift)) d = -force on it.

        None where no matrix has been formed.

        Parameters
        ----------
        force, mask, shift : array of the shape of the unknowns
            Right-hand side, 1 for each unknown that may move, what is added.
        t : float
            Factor of B.
        """
        if self.mode != "gram":
            return None
        xp = self.xp
        b = self._wide(-force / self.root)
        shift = self._wide(shift)

        def solve(G, b, mask, shift):
            S = flatnonzero(mask > 0.0)
            if S.shape[0] == 0:
                return 0.0 * b
            inner = t * take(take(G, S), S, axis=1)
            inner = inner + asarray_like(np.eye(S.shape[0]), G) * take(shift, S)
            x = Factor(inner, 0.0, self.eps).solve(take(b, S))
            return put(0.0 * b, S, x)

        if self.coupled:
            b, mask, shift = (xp.reshape(x, (-1,)) for x in (b, mask, shift))
            x = xp.reshape(solve(self._parts[0], b, mask, shift), force.shape)
        elif force.ndim == 1:
            x = solve(self._parts[0], b, mask, shift)
        else:
            parts = self._parts * (self.K // len(self._parts))
            columns = [
                solve(G, b[:, k], mask[:, k], shift[:, k]) for k, G in enumerate(parts)
            ]
            x = xp.stack(columns, axis=1)
        return self._narrow(x) / self.root

    def diagonal(self):
        """Return the diagonal of B, or of what is near it where only products are."""
        field = self.field
        if self.mode == "gram" and not self.coupled:
            xp = self.xp
            parts = [xp.linalg.diagonal(G) for G in self._parts]
            scaled = parts[0] if len(parts) == 1 else xp.stack(parts, axis=1)
            scaled = self._narrow(scaled)
            return (scaled if scaled.ndim == self.root.ndim else scaled[:, None]) * (
                field.metric
            )
        h = self.h * (1.0 - self.h) if self.coupled else self.h
        total = self.xp.sum(field.problem.weigh(h), axis=0)
        return field.metric * total + field.q + 0.01 * self.size * field.metric

    def top(self):
        """Return an upper estimate of the largest eigenvalue of B in the metric."""
        xp = self.xp
        shape = (self.field.N, self.K) if self.K > 1 else (self.field.N,)
        start = np.cos(1.0 + 1.7 * np.arange(math.prod(shape))).reshape(shape)
        v, size = asarray_like(start, self.root), 0.0
        for _ in range(10):
            v = v / max(float(xp.sum(v * v)) ** 0.5, 1e-30)
            v = self.times(v / self.root) / self.root
            size = float(xp.sum(v * v)) ** 0.5
        return 1.1 * size

    def _wide(self, x):
        wide = accumulation_dtype(x)
        return x if x.dtype == wide else self.xp.astype(x, wide)

    def _narrow(self, x):
        dtype = self.root.dtype
        return x if x.dtype == dtype else self.xp.astype(x, dtype)

    def _form(self):
        """Return the scaled matrices, wide."""
        weights, q = self._weighted, self._q
        if self.coupled:
            return [self._coupled_gram()]
        if weights.ndim == 1:
            return [self._scaled_gram(weights, q if q.ndim == 1 else q[:, 0])]
        columns = range(weights.shape[1])
        flat = q if q.ndim == 1 else q[:, 0]
        return [self._scaled_gram(weights[:, k], flat) for k in columns]

    def _scaled_gram(self, weights, q):
        G = self._wide(gram(self.field, weights))
        root = self._wide(self._flat)
        G = G / (root[:, None] * root[None, :])
        return G + asarray_like(np.eye(G.shape[0]), G) * self._wide(q)

    def _coupled_gram(self):
        """Return the scaled Hessian of coupled outputs, (N K, N K)."""
        xp, s, h, K = self.xp, self.field.problem.s, self.h, self.K
        q = self._q if self._q.ndim == 1 else self._q[:, 0]
        blocks = [[None] * K for _ in range(K)]
        for k in range(K):
            for j in range(k + 1):
                own = h[:, k] if j == k else 0.0 * h[:, k]
                bend = s * (own - h[:, k] * h[:, j])
                G = self._scaled_gram(bend, q if j == k else 0.0 * q)
                blocks[k][j] = blocks[j][k] = G
        # Unknown (i, k) of (N, K) is number i K + k.
        rows = [xp.stack(row, axis=-1) for row in blocks]
        N = self.field.N
        full = xp.reshape(xp.stack(rows, axis=1), (N * K, N * K))
        return full + self._blind(full)

    def _blind(self, full):
        """Return a curvature in the directions that the softmax does not see.

        There the gradient is 0, and rounding errors would be divided by nothing: where
        the same is added to all classes, of the intercept only if a penalty with a kink
        tells which is best for the coefficients.
        """
        field, K = self.field, self.K
        rows = np.zeros(field.N)
        rows[: field.N if field.smooth else field.offset] = 1.0
        same = np.kron(np.diag(rows), np.full((K, K), 1.0 / K))
        return largest(full) * asarray_like(same, full)

    def _woodbury(self, r):
        """Return the inverse of B + r M through the matrix of the samples."""
        field, xp = self.field, self.xp
        if self._solver is None or self._solver[0] != r:
            # This part is n^2 N operations, and the same at all points. One for a
            # larger r differs where A has no say, by one factor.
            if field.kernel is None or not r <= field.kernel[0] <= KEPT * r:
                E = field.q + r * field.metric
                kernel = self._wide(sample_kernel(field, E if E.ndim == 1 else E[:, 0]))
                field.kernel = r, E, kernel
            _, E, kernel = field.kernel
            weights = self._weighted
            columns = [weights]
            if weights.ndim == 2:
                columns = [weights[:, k] for k in range(weights.shape[1])]
            self._solver = r, E, [_Samples(kernel, w, self.eps) for w in columns]
        _, E, parts = self._solver

        def inverse(g):
            v = self._wide(field.times(g / E))
            if len(parts) > 1:
                v = xp.stack([one(v[:, k]) for k, one in enumerate(parts)], axis=1)
            else:
                v = parts[0](v)
            return (g - field.adjoint(self._narrow(v))) / E

        return inverse


def rounded(r):
    """Return the power of 4 next above r: what it is used for serves for a while."""
    return 4.0 ** math.ceil(math.log(r, 4.0))


class _Samples:
    """W (I + W K W)^-1 W with W = weights^1/2, for a kernel K (n, n)."""

    def __init__(self, kernel, weights, eps):
        xp = namespace(kernel)
        self._root = xp.astype(weights, kernel.dtype) ** 0.5
        matrix = self._root[:, None] * kernel * self._root[None, :]
        self._factor = Factor(matrix, 1.0, eps)

    def __call__(self, v):
        root = self._root
        if v.ndim == 2:
            root = root[:, None]
        return root * self._factor.solve(root * v)
