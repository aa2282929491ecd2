"""Largest stable steps of block gradient descent, from eigenvalues of a few blocks.

Problem: block steps a_I <- a_I - t P_I^-1 (H_I a - Y_I), P = diag(H), with momentum
rho. Symbols: b rows of a block; L the largest eigenvalue of P^-1/2 H P^-1/2 restricted
to a block, so that 1 <= L <= b.

Two things bound t. Directions that all blocks share, where L comes from, see every step
as a full gradient step with the step t / L:

    t L < 2 (1 + rho) / (1 + 2 rho),

the bound of Nesterov's method on a quadratic. A direction that one block alone sees
waits for n / b steps until its row is drawn again. Meanwhile momentum carries the step
on to t / (1 - rho), which must not overshoot a curvature of 1 by more than twice:

    t < 2 (1 - rho).

The first is sharp for blocks of 512 rows of usual data. The second takes over when L is
small: small blocks, short length scales, much regularisation.
"""

import numpy as np

from skopt2._core.array import asarray_like, index_like, norm64, take

# Share of the largest stable step that is taken.
SHARE = 0.9
# Blocks that are measured, their size where a block size is looked for, and power
# iterations in each.
BLOCKS, PROBE, POWER = 6, 512, 20
# Smallest blocks worth a step, on the host and elsewhere.
HOST, DEVICE = 128, 512


def largest_eigenvalue(system, size, seed):
    """Return the mean over random blocks of the largest eigenvalue L.

    Parameters
    ----------
    system : KernelSystem
        The problem.
    size : int
        Rows of a block.
    seed : int
        Of the blocks.

    Returns
    -------
    largest : float
        By power iteration; 1 or more.
    """
    rng = np.random.default_rng((seed, size))
    size = min(size, system.n)
    count = BLOCKS if size < system.n else 1
    found = []
    for _ in range(count):
        rows = np.sort(rng.permutation(system.n)[:size])
        index = index_like(rows, system.Y)
        root = 1.0 / system.xp.sqrt(take(system.preconditioner, index))
        H = root * system.block(index) * system.xp.reshape(root, (1, -1))
        # Kernels are mostly positive, and so is the eigenvector then.
        v = asarray_like(1.0 + 0.1 * rng.standard_normal((size, 1)), system.Y)
        value = 0.0
        for _ in range(POWER):
            length = norm64(v)
            v = H @ (v / length)
            value = norm64(v)
        found.append(value)
    return max(1.0, float(np.mean(found)))


def momentum_step(largest, momentum):
    """Return nine tenths of the largest stable step.

    Parameters
    ----------
    largest : float
        L of the module's docstring.
    momentum : float
        rho in [0, 1).

    Returns
    -------
    step : float
    """
    shared = 2.0 * (1.0 + momentum) / ((1.0 + 2.0 * momentum) * largest)
    return SHARE * min(shared, 2.0 * (1.0 - momentum))


def preferred_block(system, momentum, seed):
    """Return the block size at which the two bounds of the step meet.

    L is proportional to b: with larger blocks the first bound shortens the step by as
    much as the block is larger, so that an epoch achieves less; with smaller ones the
    second bound stays, and nothing is gained.

    Parameters
    ----------
    system : KernelSystem
        The problem.
    momentum : float
        rho in [0, 1).
    seed : int
        Of the blocks.

    Returns
    -------
    size : int
        At least 128 on the host and 512 on a device, where smaller blocks are not
        faster, and at most 4096.
    """
    least = HOST if system.xp is np else DEVICE
    if system.n <= least:
        return system.n
    size = min(PROBE, system.n)
    largest = largest_eigenvalue(system, size, seed)
    meeting = (1.0 + momentum) / ((1.0 + 2.0 * momentum) * (1.0 - momentum))
    return int(min(4096, max(least, size * meeting / largest)))
