"""Many problems of measures with themselves.

Problems: those of :mod:`skopt2.solvers.transport.batch_scaling` with b_p = a_p and
C = C', so that f = g and both scalings are one vector u. The sweep

    u <- sqrt(u a / (K u))

is the mean, in logarithms, of u and a scaling of one side. Near the solution it has the
factors (1 - q) / 2, with q the eigenvalues of diag(a)^-1 P: at most 1 / 2 for a
positive semidefinite kernel. Scalings of one side after the other have the factors q^2,
near 1 for plans that mix little.

Source: J. Feydy, T. Sejourne, F.-X. Vialard, S. Amari, A. Trouve and G. Peyre,
Interpolating between optimal transport and MMD using Sinkhorn divergences, AISTATS
2019, section 3.1.
"""

import numpy as np

from skopt2.solvers.transport.batch_scaling import BatchScaling


class SymmetricScaling(BatchScaling):
    """Scaling of many symmetric plans; a solver for ``iterate``.

    Parameters
    ----------
    kernel : SharedKernel or OwnKernels
        Symmetric costs and regularisation.
    A : array of shape (P, n)
        Nonnegative masses; every row sums to one.
    tol : float, default=1e-6
        Tolerance of each marginal error.
    """

    def __init__(self, kernel, A, *, tol=1e-6):
        super().__init__(kernel, A, A, tol=tol)

    def start(self, g=None):
        """Return the starting state.

        Parameters
        ----------
        g : array of shape (P, n), default=None
            Potentials to start from, finite where there is mass.
        """
        xp = self.xp
        U = xp.sqrt(self.A)
        if g is not None:
            some = (self.A > 0) & xp.isfinite(g)
            y = xp.where(some, (g - self.kernel.g) / self.eps, xp.zeros_like(g))
            y = xp.clip(y, -0.5 * self.range, 0.5 * self.range)
            U = xp.where(self.A > 0, xp.exp(y), U)
        return self._state(U, U)

    def step(self, state):
        """Take one sweep of every problem that is not done."""
        with np.errstate(all="ignore"):
            state.U = state.V = self.xp.sqrt(state.U * state.A / state.KV)
            state.KV = state.KU = state.kernel.rows(state.U)
        # The factor is that of the mean; there is nothing to relax.
        state.relaxation.omega[:] = 1.0
        state.n_steps += 1
        return state
