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

import numpy as np

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
        sums = self._near(f, g, self._row_product)
        if sums is None:
            sums = (f - self.geometry.row_softmin(g, self.eps)) / self.eps
        return sums

    def cols(self, f, g):
        """Return log sum_i P_ij, shape (m,), finite for finite potentials."""
        sums = self._near(f, g, self._col_product)
        if sums is None:
            sums = (g - self.geometry.col_softmin(f, self.eps)) / self.eps
        return sums

    def _row_product(self, x, y):
        return x + self.xp.log(self._kernel @ self.xp.exp(y))

    def _col_product(self, x, y):
        return y + self.xp.log(self.xp.exp(x) @ self._kernel)

    def _near(self, f, g, product):
        """Return logarithms of sums by a product with the kernel; None if unsafe."""
        if not self._stored:
            return None
        if self._anchor is not None:
            f0, g0 = self._anchor
            sums = self._checked((f - f0) / self.eps, (g - g0) / self.eps, product)
            if sums is not None:
                return sums
        with np.errstate(over="ignore"):
            self._kernel = self.geometry.kernel(f, g, self.eps, self._kernel)
        self._anchor = f, g
        zeros = self.xp.zeros_like(f), self.xp.zeros_like(g)
        sums = self._checked(*zeros, product)
        if sums is None:
            # No anchor would do better: what is left is the log domain.
            self._stored, self._anchor, self._kernel = False, None, None
        return sums

    def _checked(self, x, y, product):
        """Return a product, None if it is not to be trusted; waits once."""
        xp = self.xp
        with np.errstate(all="ignore"):
            sums = product(x, y)
            reach = xp.maximum(xp.max(xp.abs(x)), xp.max(xp.abs(y))) / self._reach
            worst = xp.maximum(reach, xp.max(xp.abs(sums)) / self._largest)
        # False for NaN, which is what a product beyond the range of the floats leaves.
        return sums if float(worst) <= 1.0 else None
