"""Accelerated sketch-and-project: solve a block of the system exactly, with momentum.

Problem: H a = Y, H = K + Lambda (:mod:`skopt2.solvers.kernel.system`). Symbols: I a
block of b rows, nu = n / b; z the extrapolated point, v the momentum point, w the
iterate, all (n, c); D = H_II^-1 G the change that solves the block's own equations.

One step:

    w = z - D on I,    v <- beta v + (1 - beta) z - gamma D on I,
    z <- alpha v + (1 - alpha) w,

beta = 1 - sqrt(mu / nu), gamma = 1 / sqrt(mu nu), alpha = 1 / (1 + gamma nu). The
iterate w is not stored: it is (z - alpha v) / (1 - alpha).

mu, the rate of one projection, is at least the smallest lam_i / (k(x_i, x_i) + lam_i).
It is raised to 0.2 / nu where that is smaller: too large a value costs little within a
hundred epochs, while too small a one lets the residual swing. mu nu <= 1 is what the
projections of an epoch can do.

nu = n / b is right for blocks that share no information. Nearly equal rows in different
blocks, without regularisation, need up to its square, and the iteration can diverge:
the guard first raises mu nu to 1 and then takes the momentum away (gamma = 1, beta =
alpha = 0), after which every step decreases the objective. Even then the residual can
grow for some epochs, by the root of the condition number: nearly equal rows of unequal
targets get huge coefficients of opposite signs. The guard is the more patient.

Source: P. Rathore, Z. Frangella and others, Have ASkotch: a neat solution for
large-scale kernel ridge regression, 2024, algorithm ASkotch, and their ADASAP for
Gaussian processes, 2025, which take a Nystrom approximation of every block. Solving the
blocks exactly is cheaper until b^2 reaches a few hundred n; the choice of mu is ours.
"""

import math

from skopt2._core.array import put, take
from skopt2.solvers.kernel.block_rule import BlockRule
from skopt2.solvers.kernel.block_solve import ExactBlock, NystromBlock

# Smallest mu nu, which is the part of the error that an epoch removes at the least.
LEAST_RATE = 0.2
# Rows of a block from which its exact solution is given up.
EXACT = 8192
# Default number of blocks, and bounds of their size.
BLOCKS, SMALLEST, LARGEST = 16, 256, 2048
# Growth of the residual that means divergence, with and without momentum.
GROWTH, PLAIN_GROWTH = 1e3, 1e6


class SketchProject(BlockRule):
    """Accelerated sketch-and-project.

    Parameters
    ----------
    system : KernelSystem
        The problem.
    batch_size : int or None, default=None
        Rows of a block; None for a sixteenth of all, within 256 and 2048.
    rank : int or None, default=None
        Rank of a Nystrom approximation of each block; None solves blocks exactly up to
        8192 rows, and takes a tenth of the block beyond.
    seed : int, default=0
        Of the test matrices of that approximation.
    """

    name = "sap"

    def __init__(self, system, batch_size=None, rank=None, seed=0):
        self.system = system
        n = system.n
        if batch_size is None:
            batch_size = min(LARGEST, max(SMALLEST, -(-n // BLOCKS)))
        self.batch_size = max(1, min(n, batch_size))
        n_blocks = -(-n // self.batch_size)
        if rank is None and self.batch_size > EXACT:
            rank = self.batch_size // 10
        self.n_components = rank
        if rank is None:
            self.solve = ExactBlock(system)
        else:
            self.solve = NystromBlock(system, rank, seed)
        self.nu = float(n_blocks)
        self.slowed = 0
        self._set_momentum()

    def _set_momentum(self):
        """Set alpha, beta and gamma after a number of divergences."""
        self.growth = GROWTH if self.slowed < 2 else PLAIN_GROWTH
        if self.slowed >= 2:
            self.alpha, self.beta, self.gamma = 0.0, 0.0, 1.0
            return
        rate = 1.0
        if self.slowed == 0:
            rate = min(1.0, max(LEAST_RATE, self.system.least * self.nu))
        mu, nu = rate / self.nu, self.nu
        self.beta = 1.0 - math.sqrt(mu / nu)
        self.gamma = 1.0 / math.sqrt(mu * nu)
        self.alpha = 1.0 / (1.0 + self.gamma * nu)

    def slow_down(self):
        """Take momentum away, then halve the step."""
        self.slowed += 1
        if self.slowed <= 2:
            self._set_momentum()
        else:
            self.step_size *= 0.5

    def pack(self):
        """Return the step, the jitter, and the number of divergences."""
        return {**super().pack(), "slowed": int(self.slowed)}

    def unpack(self, packed):
        """Take over what :meth:`pack` returned."""
        super().unpack(packed)
        self.slowed = int(packed["slowed"])
        self._set_momentum()

    @property
    def jitter(self):
        """Largest diagonal that was added to a block, in the units of the kernel."""
        return self.solve.jitter

    @jitter.setter
    def jitter(self, value):
        self.solve.jitter = value

    def begin(self, a):
        """Start without momentum: v = z = a."""
        xp = self.system.xp
        return {"v": xp.asarray(a, copy=True), "z": xp.asarray(a, copy=True)}

    def point(self, moving):
        """Return z."""
        return moving["z"]

    def advance(self, moving, index, G):
        """Solve the block, and move v and z."""
        D = self.step_size * self.solve(index, G)
        v, z = moving["v"], moving["z"]
        v *= self.beta
        v += (1.0 - self.beta) * z
        v = put(v, index, take(v, index) - self.gamma * D)
        z = put(z, index, take(z, index) - D)
        z *= 1.0 - self.alpha
        z += self.alpha * v
        moving["v"], moving["z"] = v, z

    def iterate(self, moving):
        """Return w."""
        w = moving["z"] - self.alpha * moving["v"]
        w /= 1.0 - self.alpha
        return w

    def extra_entries(self, size):
        """Return the entries of the block itself."""
        return size**2
