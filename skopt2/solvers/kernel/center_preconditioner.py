"""EigenPro's preconditioner within the functions of the centres, and its step.

Problem: least squares over span k(z_j, .), j < p, by gradients in the space of the
kernel. Half the gradient of sum_i w_i (y_i - f(x_i))^2 is h = sum_i w_i r_i k(x_i, .),
its projection on the span has the coefficients K^-1 h(Z), K = k(Z, Z). Symbols: S a
subsample of s rows with weights v; C = k(Z, S) diag(v)^1/2 (p, s); K = L L' and
F = L^-1 C; l_i, e_i eigenpairs of F'F / s; V and D of
:mod:`skopt2.solvers.kernel.spectral_preconditioner` for this matrix.

F'F is the kernel of the projected functions, so that the eigenfunctions it estimates
lie in the span, with the coefficients Q = K^-1 C V (p, q) up to scale, and the
preconditioned projection of the gradient has the coefficients

    N h(Z),    N = K^-1 - Q D Q',

positive definite: N h(Z) = 0 only where the gradient vanishes on the span, that is, at
the least-squares solution. EigenPro 3 takes the eigenfunctions of k(S, S), which are
not in the span, preconditions first and projects after; then residuals that no centre
can explain move its limit away from the solution. Both agree where S is among the
centres.

What N leaves of the largest eigenvalue, l, and of the kernel's diagonal,

    b = max_i w_i (k(x_i, x_i) - sum_q D_q (Q'k(Z, x_i))_q^2),

measured on rows that S does not hold, set the critical batch b / l + 1 and the step.

Source: A. Abedsoltan, M. Belkin and P. Pandit, Toward large kernel models, ICML 2023
(EigenPro 3); S. Ma and M. Belkin, Kernel machines that adapt to GPUs for effective
large batch training, SysML 2019, for batch and step. The order of projection and
preconditioner, and the weights, are ours.
"""

import numpy as np

from skopt2._core.array import (
    asarray_like,
    device_of,
    index_like,
    namespace,
    put,
    take,
    to_numpy,
)
from skopt2.kernels import KernelOperator
from skopt2.kernels.points import check_points
from skopt2.solvers.kernel.center_factor import factor_centers
from skopt2.solvers.kernel.inner_projection import InnerProjection
from skopt2.solvers.kernel.row_sample import sample_rows
from skopt2.solvers.kernel.spectral_preconditioner import (
    SpectralPreconditioner,
    subsample_size,
)

# Centres up to which the projection is by a Cholesky factor.
EXACT = 20_000
# Rows beside the subsample on which the diagonal is measured.
PROBES = 400
# Most rows of the subsample, whose eigenvalues cost the cube of their number.
LARGEST = 4000


class CenterPreconditioner:
    """N, and what is left of the spectrum.

    Parameters
    ----------
    data : CenterData
        Rows from which the spectrum is estimated.
    operator : KernelOperator
        Of the centres.
    n_components : int or None, default=None
        Eigenvalues that are flattened; None to decide from the spectrum.
    exact : bool or None, default=None
        Whether to project by a Cholesky factor; None for up to 20,000 centres.
    seed : int, default=0
        Of the subsample.

    Attributes
    ----------
    projection : TriangularFactor or InnerProjection
        Its ``solve`` is K^-1.
    n_components : int
        q.
    top, diagonal : float
        l and b, for weights of mean 1.
    projected_diagonal : float
        b of the projected kernel k(x, Z) K^-1 k(Z, x) in the place of k(x, x), which
        counts where every step is projected at once. The same if the projection is not
        exact.
    """

    def __init__(
        self,
        data,
        operator,
        n_components=None,
        exact=None,
        seed=0,
    ):
        p = operator.shape[0]
        exact = p <= EXACT if exact is None else exact
        rng = np.random.default_rng((seed, data.n, p))
        sample = _Sample(data, min(LARGEST, subsample_size(data.n)), rng)
        near = KernelOperator(data.kernel, data.Z, sample.rows, store=False)
        near = near.block(slice(0, p), slice(0, near.shape[1]))
        own = KernelOperator(data.kernel, sample.rows, store=False).diagonal()
        if exact:
            projected = self._project(operator, near, sample, n_components)
        else:
            self._restrict(operator, n_components, seed)
        self.n_components = self.spectrum.n_components
        self.top = self.spectrum.top
        self.diagonal = self.projected_diagonal = self._diagonal(sample, near, own)
        if exact:
            self.projected_diagonal = self._diagonal(sample, near, projected)

    def _project(self, operator, near, sample, n_components):
        """Take the spectrum of the rows' projected functions, return their diagonal."""
        self.projection = factor = factor_centers(operator)
        xp = operator.xp
        white = factor.whiten(near)
        inside = index_like(sample.inside, near)
        root = asarray_like(np.sqrt(sample.v[sample.inside])[None, :], near)
        F = take(white, inside, axis=1) * root
        M = xp.matrix_transpose(F) @ F
        self.spectrum = SpectralPreconditioner(M, n_components)
        V = self.spectrum.vectors
        self.coefficients = factor.unwhiten(F @ V)
        self.values = take(near, inside, axis=1) @ (xp.matrix_transpose(root) * V)
        return xp.sum(white * white, axis=0)

    def _restrict(self, operator, n_components, seed):
        """Take the spectrum of a subsample of the centres, which is in the span."""
        xp, p = operator.xp, operator.shape[0]
        rng = np.random.default_rng((seed, p, 1))
        S = np.sort(rng.permutation(p)[: min(LARGEST, subsample_size(p))])
        S = index_like(S, operator.A.rows)
        self.spectrum = SpectralPreconditioner(operator.block(S, S), n_components)
        self.projection = InnerProjection(operator, S, self.spectrum, seed)
        V = self.spectrum.vectors
        Q = xp.zeros((p, int(V.shape[1])), dtype=V.dtype, device=device_of(V))
        self.coefficients = put(Q, S, V)
        self.values = operator.block(slice(0, p), S) @ V

    def _diagonal(self, sample, near, own):
        """Return b, from rows that are not in S where there are any."""
        xp = namespace(near)
        gone = xp.matrix_transpose(self.coefficients) @ near
        damping = xp.astype(self.spectrum.damping, gone.dtype, copy=False)
        left = own - xp.sum(damping * gone * gone, axis=0)
        left = np.asarray(to_numpy(left), dtype=np.float64)
        outside = np.setdiff1d(np.arange(left.size), sample.inside)
        ordinary = left[outside] if outside.size else left
        heavy = sample.weight[sample.inside] * left[sample.inside]
        return max(
            sample.ordinary * float(np.max(ordinary)),
            float(np.max(heavy, where=sample.certain, initial=0.0)),
            self.top,
            1e-3 * float(xp.max(own)),
        )

    def correct(self, H):
        """Return Q D Q'H, what the preconditioner takes from a projected gradient.

        Parameters
        ----------
        H : array of shape (p, c)
            Values of the gradient at the centres.

        Returns
        -------
        coefficients : array of shape (p, c)
            In the dtype of H.
        """
        return self._between(self.coefficients, self.coefficients, H)

    def correct_function(self, a):
        """Return Q D Q'K a, the same for a function in the span.

        Parameters
        ----------
        a : array of shape (p, c)
            Its coefficients.

        Returns
        -------
        coefficients : array of shape (p, c)
            In the dtype of a.
        """
        return self._between(self.coefficients, self.values, a)

    def _between(self, left, right, H):
        """Return left D right'H."""
        xp = namespace(H)
        inner = xp.matrix_transpose(right) @ xp.astype(H, right.dtype, copy=False)
        damping = xp.astype(self.spectrum.damping, right.dtype, copy=False)
        return xp.astype(left @ (damping * inner), H.dtype, copy=False)

    def apply(self, H):
        """Return N H, and the squared norms of the columns' functions.

        Parameters
        ----------
        H : array of shape (p, c)
            Values at the centres.

        Returns
        -------
        coefficients : array of shape (p, c)
            N H.
        squares : ndarray of shape (c,)
            Diagonal of H'K^-1 H: for an exact projection, the squared norm of the
            projected function in the space of the kernel.
        """
        theta, squares = self.measure(H)
        if self.projection.exact:
            return theta - self.correct(H), squares
        return self.projection.solve(self.flatten(H)), squares

    def flatten(self, H):
        """Return the values at the centres of the preconditioned gradient.

        Parameters
        ----------
        H : array of shape (p, c)
            Values of the gradient.

        Returns
        -------
        flattened : array of shape (p, c)
            H - K Q D Q'H. A rough projection needs its argument like this: it falls
            short along the largest eigenvalues, where ``correct`` does not.
        """
        return H - self._between(self.values, self.coefficients, H)

    def measure(self, H):
        """Return K^-1 H, and the squared norms of the columns' functions.

        Parameters
        ----------
        H : array of shape (p, c)
            Values at the centres.

        Returns
        -------
        theta : array of shape (p, c)
        squares : ndarray of shape (c,)
        """
        theta = self.projection.solve(H)
        squares = np.asarray(to_numpy(namespace(H).sum(H * theta, axis=0)))
        return theta, np.maximum(squares, 0.0) if self.projection.exact else squares


class _Sample:
    """Rows for the spectrum, and beside them rows for the diagonal.

    Attributes: ``rows`` (k, d); ``weight`` (k,) of mean 1 over the data; ``inside`` the
    numbers of those in S, ``v`` (k,) their factors, ``certain`` which of these were
    certain to be drawn; ``ordinary`` the largest weight of the rows that were not.
    """

    def __init__(self, data, size, rng):
        rows, weights, chances, self.ordinary = [], [], [], 0.0
        total = min(data.n, size + PROBES)
        unit = data.total / data.n
        for X, _, weight in data.parts():
            n = int(X.shape[0])
            host = None if weight is None else np.asarray(to_numpy(weight), np.float64)
            share = (n if host is None else host.sum()) / data.total
            count = min(n, int(np.ceil(share * total)))
            index, chance = sample_rows(n, count, rng, host)
            weight = np.ones(n) if host is None else host / unit
            X = check_points(take(X, index), "X", data.Z)
            rows.append(X)
            weights.append(weight[index])
            chances.append(chance)
            rest = np.ones(n, dtype=bool)
            rest[index[chance >= 1.0]] = False
            self.ordinary = max(self.ordinary, np.max(weight, where=rest, initial=0.0))
        xp = namespace(data.Z)
        self.rows = xp.concat(rows)
        self.weight, chance = np.concatenate(weights), np.concatenate(chances)
        certain = chance >= 1.0
        free = np.flatnonzero(~certain)
        out = rng.permutation(free)[: min(PROBES, free.size // 4)]
        self.inside = np.setdiff1d(np.arange(chance.size), out)
        self.certain = certain[self.inside]
        kept = np.where(certain, chance, chance * (1.0 - out.size / max(1, free.size)))
        # Sums over S divided by its size stand for means over all rows.
        self.v = self.weight / kept * (self.inside.size / data.n)
