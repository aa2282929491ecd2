"""Stochastic dual descent: gradient steps on blocks, momentum, averaging.

Problem: minimise 1/2 tr a'H a - tr a'Y, H = K + Lambda
(:mod:`skopt2.solvers.kernel.system`). Symbols: I a block of b rows; w the look-ahead
point, v the velocity, a the iterate and m its average, all (n, c); P the diagonal of H;
t the step of :mod:`skopt2.solvers.kernel.step_size`.

One step, with G the gradient's block at w = a + rho v:

    v <- rho v - t P_I^-1 G on I,    a <- a + v,    m <- m + r (a - m).

Without P this is the method of the paper; for kernels of constant diagonal and one
ridge P is a number. It makes the step independent of the sizes of k(x, x) and of the
weights. r = 1 / (blocks of an epoch): a longer average lags behind a sequence that
converges linearly, a shorter one keeps the noise of the blocks.

Source: J. A. Lin, S. Padhy, J. Antoran and others, Stochastic gradient descent for
Gaussian processes done right, ICLR 2024, algorithm 1. The step, which the paper tunes,
and the block size are ours.
"""

from skopt2._core.array import put, take
from skopt2.solvers.kernel.block_rule import BlockRule
from skopt2.solvers.kernel.step_size import (
    largest_eigenvalue,
    momentum_step,
    preferred_block,
)

# Momentum of the paper.
MOMENTUM = 0.9


class DualDescent(BlockRule):
    """Stochastic dual descent.

    Parameters
    ----------
    system : KernelSystem
        The problem.
    batch_size : int or None, default=None
        Rows of a block; None for the smallest that is worth a step, at least 128 on the
        host and 512 on a device.
    step_size : float or None, default=None
        Step along P_I^-1 G; None for nine tenths of the largest stable one.
    seed : int, default=0
        Of the blocks in which eigenvalues are measured.
    """

    name = "sdd"

    def __init__(self, system, batch_size=None, step_size=None, seed=0):
        self.system = system
        if batch_size is None:
            batch_size = preferred_block(system, MOMENTUM, seed)
        self.batch_size = max(1, min(system.n, batch_size))
        if step_size is None:
            largest = largest_eigenvalue(system, self.batch_size, seed)
            step_size = momentum_step(largest, MOMENTUM)
        self.step_size = step_size
        n_blocks = -(-system.n // self.batch_size)
        self.averaging = 1.0 / n_blocks
        # What an epoch of averaging makes of a row.
        self.smoothing = 1.0 - (1.0 - self.averaging) ** n_blocks
        self.inverse = 1.0 / system.preconditioner

    def begin(self, a):
        """Start at rest: v = 0, m = a."""
        xp = self.system.xp
        return {
            "a": xp.asarray(a, copy=True),
            "v": xp.zeros_like(a),
            "mean": xp.asarray(a, copy=True),
        }

    def point(self, moving):
        """Return w = a + rho v."""
        return moving["a"] + MOMENTUM * moving["v"]

    def advance(self, moving, index, G):
        """Move v, a and m."""
        a, v, mean = moving["a"], moving["v"], moving["mean"]
        v *= MOMENTUM
        change = self.step_size * (take(self.inverse, index) * G)
        v = put(v, index, take(v, index) - change)
        a += v
        mean += self.averaging * (a - mean)
        moving["v"] = v

    def iterate(self, moving):
        """Return a copy of the average m."""
        return self.system.xp.asarray(moving["mean"], copy=True)
