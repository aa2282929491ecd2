r"""Where a completion starts: the singular vectors of what is known.

The start is the best approximation of rank k of the residual of the intercepts, zero
where nothing is known, divided by the share of known entries: its expectation for
entries at random positions is the matrix itself. Residuals of robust losses are clipped
first, and rows of the factors that are much longer than the others are shortened: a row
with few and large entries would own a singular vector of its own.

Sources: P. Jain, P. Netrapalli and S. Sanghavi, Low-rank matrix completion using
alternating minimization, STOC 2013, algorithm 2 (start and clipping); Y. Gu, Z. Song,
J. Yin and L. Zhang, ICLR 2024, algorithm 4.
"""

import numpy as np

from skopt2._core.array import asarray_like, namespace
from skopt2.solvers.low_rank.problem import Factors
from skopt2.solvers.low_rank.top_vectors import top_triplets

# Rows are at most so many times as long as the root mean square.
INCOHERENCE = 4.0
# Size of a random start, relative to the spectral one.
SMALL = 1e-3


def spectral_start(problem, k, seed):
    """Return a model of rank k from the singular vectors of the residuals.

    Parameters
    ----------
    problem : Completion
        Its null model has the intercepts.
    k : int
        Rank, at most the shorter side.
    seed : int
        Of the random block.
    """
    entries = problem.entries
    r = problem.loss.slope(problem.residual(problem.null), entries.ones())
    r = r / problem.loss.curvature
    U, s, V = top_triplets(entries, entries.pull(r), k, seed)
    share = problem.count * entries.unit
    root = (s / share) ** 0.5
    U, V = (clipped(A * root[None, :]) for A in (U, V))
    return Factors(U, V, problem.null.b)


def random_start(problem, k, seed, size=SMALL):
    """Return a small random model, whose scale is that of the spectral start."""
    spectral, rng = spectral_start(problem, 1, seed), np.random.default_rng(seed)
    xp = problem.xp
    factors = []
    for A, n in ((spectral.U, problem.entries.shape[0]), (spectral.V, None)):
        n = int(A.shape[0]) if n is None else n
        scale = size * float(xp.sum(A * A)) ** 0.5 / n**0.5
        factors.append(asarray_like(scale * rng.standard_normal((n, k)), A))
    return Factors(*factors, problem.null.b)


def clipped(A):
    """Return a factor without rows that are much longer than the others."""
    xp = namespace(A)
    norms = xp.sqrt(xp.sum(A * A, axis=1))
    limit = INCOHERENCE * xp.sqrt(xp.mean(norms * norms))
    long = norms > limit
    return (
        A
        * xp.where(long, limit / xp.where(long, norms, 1.0 + 0.0 * norms), 1.0)[:, None]
    )
