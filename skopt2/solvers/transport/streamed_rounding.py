"""A streamed plan moved onto given marginals: its cost, entropy and divergence.

Symbols: P_ij = a_i b_j Z_ij the plan; s = Z b its row sums relative to a,
x_i = min(1, 1 / s_i); c = Z' (a x) its column sums then, relative to b,
y_j = min(1, 1 / c_j); e_i = 1 - x_i (Z (b y))_i and d_j = 1 - y_j c_j what is still
missing, D = sum_j b_j d_j. The rounded plan and the sums over it are

    P'_ij = a_i b_j N_ij,  N_ij = x_i Z_ij y_j + e_i d_j / D,
    cost <P', C>, entropy sum P' (log P' - 1),
    divergence sum a_i b_j (N log(N / Z) - N + Z)_ij.

Three passes: one for x and c, one for e, one for the sums. The costs are not evaluated:
C_ij = eps (u_i + v_j - log Z_ij) with the offsets of the pass.

Source: J. Altschuler, J. Weed and P. Rigollet, Near-linear time approximation
algorithms for optimal transport via Sinkhorn iteration, NIPS 2017, algorithm 2.
"""

import math

import numpy as np

from skopt2._core.array import dot64, namespace
from skopt2.solvers.transport.plan_pass import Collect, Gather


class StreamedRounding:
    """Rounding of a streamed plan.

    Parameters
    ----------
    passes : PointPasses
        Source of the plan.
    f, g : array of shape (n,), (m,)
        Potentials.
    eps : float
        Regularisation.
    a, b : array of shape (n,), (m,)
        Marginals of equal sums; zeros are allowed.
    """

    def __init__(self, passes, f, g, eps, a, b):
        self.passes, self.eps, self.xp = passes, eps, passes.xp
        xp, wide = passes.xp, passes.wide
        with np.errstate(divide="ignore"):
            self.masses = tuple(xp.log(xp.astype(mass, wide)) for mass in (a, b))
        self.f, self.g = f, g
        self._shares()
        self._lacks()

    def _make(self, **options):
        arguments = (self.f, self.g, self.eps, self.masses)
        return self.passes.over_plan(*arguments, **options)

    def _shares(self):
        """Compute x, c and y."""
        xp, one = self.xp, self._make()

        def weigh(block):
            s = xp.astype(block.s, one.wide)
            return one.rho[block.rows] * _share(s)

        s, _, (c, doubt) = one.columns(weigh)
        self.x = _share(s)
        self.c = self.passes.complete(c, doubt, one, one.rho * self.x)
        self.y = _share(self.c)

    def _lacks(self):
        """Compute e and d / D."""
        xp, one = self.xp, self._make()
        weights = xp.astype(one.kappa * self.y, one.dtype)
        sums = xp.zeros_like(self.x)

        def value(block):
            return xp.astype(block.Z @ weights[block.cols], one.wide)

        one.run(lambda: Gather(sums, value))
        zero = xp.zeros_like(self.x)
        self.e = xp.where(one.rho > 0, xp.maximum(1.0 - self.x * sums, zero), zero)
        zero = xp.zeros_like(self.y)
        self.d = xp.where(one.kappa > 0, xp.maximum(1.0 - self.y * self.c, zero), zero)
        total = dot64(one.kappa, self.d)
        if total > 0.0:
            self.d = self.d / total

    def totals(self):
        """Return cost between centred points, entropy and divergence."""
        xp, base = self.xp, self.passes.power.log_base
        # Everything, down to the smallest exponents, has a part in N.
        one = self._make(keep=True, complete=True)
        x, e = (xp.astype(z, one.dtype)[:, None] for z in (self.x, self.e))
        y, d = (xp.astype(z, one.dtype)[None, :] for z in (self.y, self.d))
        # Below it are no numbers whose logarithm is fast; one a column, as NumPy's
        # maximum with a scalar is slow.
        least = xp.full_like(y, float(xp.finfo(one.dtype).smallest_normal))
        lacking = bool(xp.any(self.d > 0)) and bool(xp.any(self.e > 0))

        def sums(block):
            rho, weights, before = one.rho[block.rows], one.weights, block.s
            N, E = block.Z, block.E
            N *= x[block.rows, :]
            N *= y
            if lacking:
                N += e[block.rows, :] * d
            N = xp.maximum(N, least) if xp is not np else np.maximum(N, least, out=N)
            mass, log_n = N @ weights, xp.log(N)
            E *= N
            log_n *= N
            parts = (mass, E @ weights, log_n @ weights, before)
            return np.asarray([dot64(rho, part) for part in parts])

        found = one.run(lambda: Collect(sums))
        parts = [part for shard in found for part in shard.parts]
        mass, drop, entropy, before = (math.fsum(z) for z in zip(*parts, strict=True))
        return self._collect(one, mass, base * drop, entropy, before, base)

    def _collect(self, one, mass, drop, entropy, before, base):
        a, b = one.rho, one.kappa
        logs = [self.xp.where(z > 0, z, 1.0) for z in (a, b)]
        cost = self.eps * (base * (dot64(a, one.u) + dot64(b, one.v)) - drop)
        logs = dot64(a, self.xp.log(logs[0])) + dot64(b, self.xp.log(logs[1]))
        divergence = entropy - drop - mass + before
        return cost, entropy + logs - mass, max(divergence, 0.0)


def _share(total):
    """Return min(1, 1 / total), and 1 where there is nothing to share."""
    xp = namespace(total)
    one = xp.ones_like(total)
    return xp.minimum(one / xp.where(total > 0, total, one), one)
