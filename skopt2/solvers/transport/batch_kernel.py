"""Kernels of many small plans: one for all of them, or one for each.

Symbols: C (n, m) or (P, n, m) the cost, eps > 0, f and g reference potentials in the
units of C, K_ij = exp((f_i + g_j - C_ij) / eps); U (P, n) and V (P, m) the scalings of
P plans diag(u) K diag(v).

With one kernel for all plans a sweep is two matrix products. It lasts as long as the
scalings stay within the range of the floats, where entries of K that were clipped to
the smallest normal numbers still mean nothing. Kernels of their own can be computed
anew at the potentials that the scalings stand for, whatever eps.

Source: M. Cuturi, Sinkhorn distances, NIPS 2013, section 4 (many histograms at once).
"""

import math

from skopt2._core.array import accumulation_dtype, namespace, take
from skopt2.solvers.transport.geometry import LOWEST_EXPONENT, DenseGeometry

# Largest logarithm of a scaling before kernels are computed anew.
ABSORB = {"float64": 100.0, "float32": 15.0}


class SharedKernel:
    """One kernel for all plans.

    Parameters
    ----------
    C : array of shape (n, m)
        Finite costs.
    eps : float
        Regularisation.
    symmetric : bool, default=False
        Whether the kernel has to be symmetric, as the cost is.
    """

    def __init__(self, C, eps, symmetric=False):
        geometry = DenseGeometry(C)
        self.eps = eps
        self.f, self.g = geometry.reduction()
        if symmetric:
            # Feasible too, as the mean of a pair of potentials and the swapped pair.
            self.f = self.g = 0.5 * (self.f + self.g)
        self.K = geometry.kernel(self.f, self.g, eps)
        self.KC = self.K * C

    def rows(self, V):
        """Return V K', the row sums of diag(1) K diag(v), shape (P, n)."""
        return V @ self.K.T

    def cols(self, U):
        """Return U K, the column sums of diag(u) K diag(1), shape (P, m)."""
        return U @ self.K

    def inner(self, U, V):
        """Return the transport costs <P, C>, shape (P,), accumulated in float64."""
        xp = namespace(U)
        return xp.sum(U * (V @ self.KC.T), axis=1, dtype=accumulation_dtype(U))

    def take(self, index):
        """Return the kernel of some of the plans."""
        return self

    def follow(self, U, V, far):
        """Return None: one kernel cannot follow the scalings of many plans."""
        return None


class GridKernel(SharedKernel):
    """One kernel for all plans between the points of a grid, as factors for its axes.

    The cost is a sum of one cost for each axis, so the kernel is a product: applied
    axis by axis it takes (n_1 + n_2) n operations instead of n^2.

    Parameters
    ----------
    axes : list of array of shape (n_k, n_k)
        Finite, nonnegative costs along each axis, zero on the diagonal; the points
        number the product of the n_k, the last axis first.
    eps : float
        Regularisation.
    """

    def __init__(self, axes, eps):
        xp = namespace(axes[0])
        self.eps, self.lengths = eps, tuple(int(C.shape[0]) for C in axes)
        single = axes[0].dtype == xp.float32
        low = LOWEST_EXPONENT["float32" if single else "float64"]
        self.factors = [xp.exp(xp.clip(C * (-1.0 / eps), low, 0.0)) for C in axes]
        self.weighted = [K * C for K, C in zip(self.factors, axes, strict=True)]
        self.f = self.g = xp.zeros_like(axes[0][:1, 0])

    def rows(self, V):
        """Return V K', shape (P, n)."""
        return self._apply(self.factors, V)

    def cols(self, U):
        """Return U K, shape (P, n)."""
        return self._apply([K.T for K in self.factors], U)

    def inner(self, U, V):
        """Return the transport costs <P, C>, shape (P,), accumulated in float64."""
        xp, total = namespace(U), 0.0
        for k in range(len(self.factors)):
            factors = [*self.factors[:k], self.weighted[k], *self.factors[k + 1 :]]
            total = total + self._apply(factors, V)
        return xp.sum(U * total, axis=1, dtype=accumulation_dtype(U))

    def _apply(self, factors, V):
        """Return the product with the Kronecker product of the factors."""
        xp, shape, after = namespace(V), tuple(V.shape), 1
        for K, length in zip(factors[::-1], self.lengths[::-1], strict=True):
            if after == 1:
                V = xp.reshape(V, (-1, length)) @ K.T
            else:
                V = K @ xp.reshape(V, (-1, length, after))
            after *= length
        return xp.reshape(V, shape)


class OwnKernels:
    """A kernel for each plan.

    Parameters
    ----------
    C : array of shape (P, n, m) or (1, n, m)
        Finite costs, one for each plan or the same for all.
    eps : float
        Regularisation.
    f, g : array of shape (P, n), (P, m)
        Finite reference potentials.
    """

    def __init__(self, C, eps, f, g):
        xp = namespace(C)
        self.C, self.eps, self.f, self.g = C, eps, f, g
        z = (f[:, :, None] + g[:, None, :] - C) * (1.0 / eps)
        # Plans of mass one have no large entries: only rows and columns of no mass do.
        low, high = LOWEST_EXPONENT[self._precision], ABSORB[self._precision]
        self.K = xp.exp(xp.clip(z, low, high))

    @classmethod
    def reduced(cls, C, eps, A, B, symmetric=False):
        """Return kernels with an entry 1 in every row and column that has mass.

        Parameters
        ----------
        C : array of shape (P, n, m) or (1, n, m)
            Finite costs.
        eps : float
            Regularisation.
        A, B : array of shape (P, n), (P, m)
            Masses.
        symmetric : bool, default=False
            Whether the kernels have to be symmetric, as the costs are; ``B`` is ``A``.

        Returns
        -------
        kernels : OwnKernels
        """
        xp = namespace(C)
        far = xp.zeros_like(C) + math.inf
        f = xp.min(xp.where(B[:, None, :] > 0, C, far), axis=2)
        g = xp.min(xp.where(A[:, :, None] > 0, C - f[:, :, None], far), axis=1)
        if symmetric:
            f = g = 0.5 * (f + g)
        return cls(C, eps, f, g)

    def rows(self, V):
        """Return the row sums of diag(1) K diag(v), shape (P, n)."""
        return (self.K @ V[:, :, None])[:, :, 0]

    def cols(self, U):
        """Return the column sums of diag(u) K diag(1), shape (P, m)."""
        return (U[:, None, :] @ self.K)[:, 0, :]

    def inner(self, U, V):
        """Return the transport costs <P, C>, shape (P,), accumulated in float64."""
        xp = namespace(U)
        moved = ((self.K * self.C) @ V[:, :, None])[:, :, 0]
        return xp.sum(U * moved, axis=1, dtype=accumulation_dtype(U))

    @property
    def _precision(self):
        single = self.C.dtype == namespace(self.C).float32
        return "float32" if single else "float64"

    def take(self, index):
        """Return the kernels of some of the plans."""
        new = object.__new__(OwnKernels)
        new.eps = self.eps
        for name in ("f", "g", "K"):
            setattr(new, name, take(getattr(self, name), index))
        new.C = self.C if self.C.shape[0] == 1 else take(self.C, index)
        return new

    def follow(self, U, V, far):
        """Return the kernels at the potentials that scalings stand for.

        Themselves as long as ``far``, the largest logarithm, is small. Scalings of zero
        belong to no mass, and leave the potential as it is.
        """
        if far <= ABSORB[self._precision]:
            return self
        f = self.f + self.eps * log_scaling(U)
        g = self.g + self.eps * log_scaling(V)
        return OwnKernels(self.C, self.eps, f, g)


def log_scaling(U):
    """Return log(u), and 0 where u = 0."""
    xp = namespace(U)
    return xp.log(xp.where(U > 0, U, xp.ones_like(U)))
