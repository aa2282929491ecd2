"""EigenPro 2: preconditioned stochastic gradients with automatic batch and step.

Problem: H a = Y, H = K + Lambda (:mod:`skopt2.solvers.kernel.system`); Lambda = 0 is
what the method is made for. Symbols: I a batch of m rows, S the subsample of the
preconditioner with V, D, b and l as in
:mod:`skopt2.solvers.kernel.spectral_preconditioner`, l the largest eigenvalue that it
leaves; a (n, c).

One step, with G the gradient's block and t = eta / m:

    a_I <- a_I - t G',    a_S <- a_S + t V D V' K_SI G',    G'_i = G_i / (1 + t lam_i).

The divisor takes the ridge implicitly, so that rows of tiny weight, whose lam_i is
huge, do not shorten the step of the others. Steps are those of the paper: up to the
critical batch m* = b / l + 1 an epoch achieves the same with every batch size, with
eta = m / b; beyond it eta = 2 m / (b + (m - 1) l), and of the whole sample 1.6 / l,
which takes two fifths of the error along l at least. Where the spectrum falls slowly
the l of a subsample is too small. Two random batches measure what a step meets, the
largest eigenvalue L of k_P on a batch, and t <= 2.2 / L: steps are stable up to about
3 / L, and not faster from 2 / L on.

Source: S. Ma and M. Belkin, Kernel machines that adapt to GPUs for effective large
batch training, SysML 2019, algorithm 1 and section 3. The ridge and the bound by L are
ours.
"""

import numpy as np

from skopt2._core.array import index_like, put, take
from skopt2.solvers.kernel.block_rule import BlockRule
from skopt2.solvers.kernel.spectral_preconditioner import (
    SpectralPreconditioner,
    subsample_size,
)

# Shares of the largest stable step, of a batch and of the whole sample.
BATCH_SHARE, WHOLE_SHARE = 0.99, 0.8
# Rows that measure b, batches that measure L, and the bound of t L.
PROBE, BATCHES, BOUND = 512, 2, 2.2


class EigenPro(BlockRule):
    """EigenPro 2, for kernel regression with or without a ridge.

    Parameters
    ----------
    system : KernelSystem
        The problem.
    batch_size : int or None, default=None
        m; None for the critical one.
    n_components : int or None, default=None
        Eigenvalues that are flattened; None to decide from the spectrum.
    step_size : float or None, default=None
        t; None for the formula above.
    seed : int, default=0
        Of the subsample.
    """

    name = "eigenpro"

    def __init__(
        self, system, batch_size=None, n_components=None, step_size=None, seed=0
    ):
        self.system = system
        n = system.n
        s = subsample_size(n)
        order = np.random.default_rng((seed, n)).permutation(n)
        self.subsample = self._index(order[:s])
        K = system.operator.block(self.subsample, self.subsample)
        self.spectrum = SpectralPreconditioner(K, n_components)
        self.n_components = self.spectrum.n_components
        # Rows from the end are outside the subsample where there are enough.
        probe = self._index(order[-min(n, PROBE) :])
        b = self.spectrum.remaining_diagonal(
            take(system.diagonal, probe), system.operator.block(probe, self.subsample)
        )
        top = self.spectrum.top
        critical = b / top + 1.0
        if batch_size is None:
            batch_size = int(min(critical, n))
        self.batch_size = m = max(1, min(n, batch_size))
        if step_size is None:
            step_size = _step(m, n, b, top, critical)
            if m < n:
                step_size = min(step_size, BOUND / self._batch_eigenvalue(order))
        self.step_size = step_size

    def _index(self, rows):
        """Return rows in increasing order, beside the data."""
        return index_like(np.sort(rows), self.system.Y)

    def _batch_eigenvalue(self, order):
        """Return L, the mean of some batches that avoid the subsample if they can."""
        operator, m, found = self.system.operator, self.batch_size, []
        for k in range(BATCHES):
            stop = order.size - k * m
            if stop < m:
                break
            index = self._index(order[stop - m : stop])
            found.append(
                self.spectrum.remaining_eigenvalue(
                    operator.block(index, index),
                    operator.block(index, self.subsample),
                )
            )
        return max(float(np.mean(found)), self.spectrum.noise)

    def begin(self, a):
        """Start at a."""
        return {"a": self.system.xp.asarray(a, copy=True)}

    def point(self, moving):
        """Return a."""
        return moving["a"]

    def advance(self, moving, index, G):
        """Move a on the batch and on the subsample."""
        a, S, t = moving["a"], self.subsample, self.step_size
        G = t * G / (1.0 + t * take(self.system.lam, index))
        a = put(a, index, take(a, index) - G)
        H = self.system.operator.block(S, index) @ G
        moving["a"] = put(a, S, take(a, S) + self.spectrum.correct(H))

    def iterate(self, moving):
        """Return a copy of a."""
        return self.system.xp.asarray(moving["a"], copy=True)

    def extra_entries(self, size):
        """Return the entries between the subsample and the batch."""
        return size * int(self.subsample.shape[0])


def _step(m, n, b, top, critical):
    """Return t = eta / m for a batch of m out of n rows."""
    if m >= n:
        return WHOLE_SHARE * 2.0 / (top * n)
    if m < critical:
        return BATCH_SHARE / b
    return BATCH_SHARE * 2.0 / (b + (m - 1) * top)
