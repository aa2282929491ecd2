"""Logarithms of the row and column sums of a plan, by the cheapest safe way.

Symbols: P_ij = exp((f_i + g_j - C_ij) / eps); f0 (n,), g0 (m,) the anchor, potentials
at which the kernel K_ij = exp((f0_i + g0_j - C_ij) / eps) of a stored cost is held.

Near the anchor log(P 1) = (f - f0) / eps + log(K exp((g - g0) / eps)): one product with
K, a tenth of the price of its exponentials. The anchor follows where the potentials
leave its neighbourhood. Sums that are so small that what K has lost below the range of
the floats might count are computed in the log domain instead, as are all of a cost that
is streamed.

Source: B. Schmitzer, Stabilized sparse scaling algorithms for entropy regularized
transport problems, SIAM J. Sci. Comput. 41, 2019, section 3.1.
"""

from skopt2._core.array import max_abs

# Largest change of f / eps and g / eps from the anchor.
REACH = {"float64": 40.0, "float32": 8.0}
# Largest logarithm of a sum, of either sign: with those changes its terms are well
# above the entries that K clips, and below the largest float.
LARGEST = {"float64": 500.0, "float32": 50.0}


class PlanSums:
    """Sums of plans of one geometry and regularisation.

    Parameters
    ----------
    geometry : object
        See :mod:`skopt2.solvers.transport.geometry`.
    eps : float
        Regularisation.
    stored : bool, default=True
        Whether to hold a kernel, where the geometry stores its cost.
    """

    def __init__(self, geometry, eps, *, stored=True):
        self.geometry, self.eps, self.xp = geometry, eps, geometry.xp
        single = geometry.dtype == geometry.xp.float32
        name = "float32" if single else "float64"
        self._reach, self._largest = REACH[name], LARGEST[name]
        self._stored = stored and geometry.stored
        self._anchor = self._kernel = None

    def rows(self, f, g):
        """Return log sum_j P_ij, shape (n,), finite for finite potentials."""
        near = self._near(f, g)
        if near is not None:
            x, y = near
            sums = x + self.xp.log(self._kernel @ self.xp.exp(y))
            if self._safe(sums):
                return sums
        return (f - self.geometry.row_softmin(g, self.eps)) / self.eps

    def cols(self, f, g):
        """Return log sum_i P_ij, shape (m,), finite for finite potentials."""
        near = self._near(f, g)
        if near is not None:
            x, y = near
            sums = y + self.xp.log(self.xp.exp(x) @ self._kernel)
            if self._safe(sums):
                return sums
        return (g - self.geometry.col_softmin(f, self.eps)) / self.eps

    def _safe(self, sums):
        """Return whether sums are in the range of the kernel; if not, leave it."""
        self._stored = max_abs(sums) < self._largest
        return self._stored

    def _near(self, f, g):
        """Return the changes from the anchor, which moves if they are large."""
        if not self._stored:
            self._anchor = self._kernel = None
            return None
        if self._anchor is not None:
            f0, g0 = self._anchor
            x, y = (f - f0) / self.eps, (g - g0) / self.eps
            if max(max_abs(x), max_abs(y)) <= self._reach:
                return x, y
        self._kernel = self.geometry.kernel(f, g, self.eps, self._kernel)
        self._anchor = f, g
        return self.xp.zeros_like(f), self.xp.zeros_like(g)
