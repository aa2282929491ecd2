"""Cyclic coordinate descent for risk parity, on the correlation matrix, rescaled.

Problem and symbols: :mod:`skopt2.solvers.risk_parity.problem`. The minimiser of f over
one position is the positive root of a quadratic equation:

    a_i = (s_i - x_i) / 2,  x_i <- sqrt(a_i^2 + b_i) - a_i,

and a sweep visits i = 1, ..., n. It ends with the rescaling to x'Cx = 1.

The positions of a block B of m assets are updated on the host from C_BB, which is
copied there once, and from s_B, which one product with m rows of C gives: the same
numbers as one asset at a time, up to rounding, with n / m synchronisations of a device
in a sweep and not n.

Source: J. Choi and R. Chen, Improved iterative methods for solving risk parity
portfolio, Journal of Derivatives and Quantitative Studies 30, 2022, which improves on
T. Griveau-Billion, J.-C. Richard and T. Roncalli, A fast algorithm for computing
high-dimensional risk parity portfolios, 2013. The blocks are ours.
"""

import math

import numpy as np

from skopt2._core.array import asarray_like, to_numpy
from skopt2.solvers.risk_parity.problem import RiskProblem

# Assets of a block: enough that the product with its rows is worth a call, few enough
# that the products within the block stay in the cache.
BLOCK = 64


class RiskDescent(RiskProblem):
    """Sweeps over the assets, each rescaled to x'Cx = 1.

    Parameters
    ----------
    C, b : array
        As in :class:`skopt2.solvers.risk_parity.problem.RiskProblem`.
    block : int, default=64
        Assets of a block; changes rounding only.
    """

    name = "ccd"

    def __init__(self, C, b, block=BLOCK):
        super().__init__(C, b)
        self.slices = [
            slice(start, min(start + block, self.n))
            for start in range(0, self.n, block)
        ]
        self.blocks = [np.asarray(to_numpy(C[B, B])) for B in self.slices]
        self.budgets = [to_numpy(b[B]).tolist() for B in self.slices]

    def init(self, x=None):
        """Return the first state.

        Parameters
        ----------
        x : array of shape (n,), default=None
            Positive positions to start from; None for equal ones.

        Returns
        -------
        state : RiskState
            A start.
        """
        return self.equal_positions() if x is None else self.state(x)

    def step(self, state):
        """Return the state after one sweep.

        Parameters
        ----------
        state : RiskState
            Any.

        Returns
        -------
        state : RiskState
            With a smaller objective, unless rounding forbids.
        """
        if state.riskless:
            return state
        xp = self.xp
        # A copy: the state of a callback must not change under it.
        x, moved, s = xp.asarray(state.x, copy=True), 0.0, state.s
        for k, B in enumerate(self.slices):
            # The first block needs no product: nothing has changed since the last.
            old = to_numpy(x[B])
            at = to_numpy(s[B] if k == 0 else self.C[B, :] @ x)
            new = self._update(self.blocks[k], self.budgets[k], at, old)
            moved = max(moved, float(np.max(np.abs(new / old - 1.0))))
            x[B] = asarray_like(new, x)
        return self.state(x, moved, state.n_steps + 1)

    def _update(self, C, b, s, x):
        """Return the positions of one block, visited in turn, on the host.

        What the earlier assets of the block have changed in s_i is one short product.
        """
        new, change = x.tolist(), np.zeros_like(x)
        before = s.tolist()
        sqrt = math.sqrt
        for i, old in enumerate(new):
            a = 0.5 * (before[i] + float(C[i] @ change) - old)
            root = sqrt(a * a + b[i])
            found = b[i] / (root + a) if a > 0.0 else root - a
            new[i] = found
            change[i] = found - old
        return np.asarray(new, dtype=x.dtype)
