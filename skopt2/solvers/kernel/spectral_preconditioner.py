"""The spectral preconditioner of EigenPro, from a subsample.

Problem: the gradient of least squares in the space of a kernel k is slow along small
eigenvalues of the covariance operator T = (1/n) sum_i k(x_i, .) k(x_i, .)' because its
large ones bound the step. Flatten the q largest:

    P = I - sum_i (1 - (l_q / l_i)^0.95) f_i f_i',    i < q.

Symbols: S a subsample of s rows; l_i, e_i (s,) eigenpairs of K_SS / s, largest first;
f_i = sum_j e_ij k(x_j, .) / sqrt(s l_i) the eigenfunctions they estimate. With
V = (e_1 .. e_q) / sqrt(s) and D = diag((1 - (l_q / l_i)^0.95) / l_i), a gradient
sum_i g_i k(x_i, .) over a batch I changes by the coefficients

    V D V' K_SI g    on S.

What P leaves of the largest eigenvalue, l_1 (l_q / l_1)^0.95, and of the kernel,

    k_P(x, z) = k(x, z) - k(x, S) V D V' k(S, z),

decide on the batch and the step of :mod:`skopt2.solvers.kernel.eigenpro`. On S itself
k_P is too small, since the eigenfunctions were fitted there: other rows measure it.

Source: S. Ma and M. Belkin, Kernel machines that adapt to GPUs for effective large
batch training, SysML 2019 (EigenPro 2), sections 3 and 4.
"""

import numpy as np
import scipy.linalg

from skopt2._core.array import asarray_like, namespace, norm64

# How much of the ratio of eigenvalues is flattened.
EXPONENT = 0.95
# Rows from which the subsample is larger, and both sizes.
MANY_ROWS, SUBSAMPLE, LARGE_SUBSAMPLE = 100_000, 2000, 12_000
# Fewest eigenvalues that are flattened, and the most as a share of the subsample.
FEWEST, SHARE = 5, 4
# Power iterations.
POWER = 20


class SpectralPreconditioner:
    """Flatten the largest eigenvalues of a kernel.

    Parameters
    ----------
    K : array of shape (s, s)
        Kernel matrix of the subsample; overwritten.
    n_components : int or None, default=None
        q; None for as many as lie above 1 / s of the kernel's size, at most s / 4.

    Attributes
    ----------
    n_components : int
        q.
    vectors : array of shape (s, q)
        V.
    damping : array of shape (q, 1)
        Diagonal of D.
    top : float
        Largest eigenvalue that is left.
    size : float
        Largest k(x, x) on the subsample.
    noise : float
        Least size of what is left for which the step does not amplify rounding.
    """

    def __init__(self, K, n_components=None):
        xp, s = namespace(K), int(K.shape[0])
        self.size = size = float(xp.max(xp.linalg.diagonal(K))) or 1.0
        eps = float(xp.finfo(K.dtype).eps)
        self.noise = eps**0.5 * size
        most = max(1, min(s - 1, max(FEWEST, s // SHARE)))
        if n_components is not None:
            most = max(1, min(s - 1, n_components)) if s > 1 else 1
        values, vectors = _largest_eigenpairs(K, min(s, most + 1))
        # Below it eigenvalues are rounding, or steps so long that they amplify it.
        floor = 100.0 * eps * max(float(values[0]), size)
        values = np.maximum(values, floor) / s
        if n_components is None:
            above = int(np.sum((size / values) ** EXPONENT < s)) - 1
            most = min(most, max(FEWEST, above))
        # One more eigenvalue is known than flattened: it is what they are flattened to.
        floor, q = float(values[min(most, values.size - 1)]), most
        values, vectors = values[:q], vectors[:, :q]
        left = (floor / values) ** EXPONENT
        self.n_components = q
        self.vectors = vectors / s**0.5
        self.damping = asarray_like(((1.0 - left) / values)[:, None], K)
        self.top = float(values[0] * left[0])

    def correct(self, H):
        """Return V D V' H.

        Parameters
        ----------
        H : array of shape (s, c)
            K_SI g.

        Returns
        -------
        coefficients : array of shape (s, c)
            To add on S.
        """
        return self.vectors @ (self.damping * (self.vectors.T @ H))

    def remaining_diagonal(self, diagonal, K):
        """Return the largest k_P(x, x) of some rows.

        Parameters
        ----------
        diagonal : array of shape (k, 1)
            Their k(x, x).
        K : array of shape (k, s)
            Their kernel with the subsample.

        Returns
        -------
        largest : float
            At least ``noise``.
        """
        xp, C = namespace(K), K @ self.vectors
        left = diagonal - (C * C) @ self.damping
        return max(float(xp.max(left)), self.top, self.noise)

    def remaining_eigenvalue(self, block, K):
        """Return the largest eigenvalue of k_P on some rows, by power iteration.

        Parameters
        ----------
        block : array of shape (k, k)
            Kernel matrix of the rows.
        K : array of shape (k, s)
            Their kernel with the subsample.

        Returns
        -------
        largest : float
        """
        C = K @ self.vectors
        start = np.random.default_rng(0).standard_normal((int(K.shape[0]), 1))
        v, value = asarray_like(start, K), 0.0
        for _ in range(POWER):
            length = norm64(v)
            if length == 0.0:
                break
            v = v / length
            v = block @ v - C @ (self.damping * (C.T @ v))
            value = norm64(v)
        return value


def subsample_size(n):
    """Return the number of rows from which EigenPro learns the spectrum.

    Parameters
    ----------
    n : int
        All rows.

    Returns
    -------
    s : int
        2000, 12,000 for more than 100,000 rows, and not more than n.
    """
    return min(n, SUBSAMPLE if n < MANY_ROWS else LARGE_SUBSAMPLE)


def _largest_eigenpairs(K, count):
    """Return the largest eigenvalues on the host, and their vectors, in that order."""
    xp, s = namespace(K), int(K.shape[0])
    if xp is np:
        values, vectors = scipy.linalg.eigh(
            K, subset_by_index=[s - count, s - 1], overwrite_a=True, check_finite=False
        )
    else:
        values, vectors = xp.linalg.eigh(K)
        values, vectors = values[s - count :], vectors[:, s - count :]
        values = asarray_like(values, np.zeros(1))
    return values[::-1].astype(np.float64), xp.flip(vectors, axis=1)
