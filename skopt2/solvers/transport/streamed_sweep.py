"""Sinkhorn's sweep over a streamed plan, with one evaluation of the exponentials.

Symbols: f (n,) and g (m,) potentials, a (n,) and b (m,) masses, P_ij = a_i b_j Z_ij the
plan, s = Z b its row sums relative to a, w the relaxation. With

    f_i <- f_i - w eps log s_i,
    g_j <- g_j - w eps log sum_i a_i s_i^-w Z_ij

the second sum is over the plan of the new f. It is taken block by block, while the
block of Z that gave s is in the cache. Sinkhorn's own sweep has w = 1. A sweep of
unbalanced transport is one with w < 1 towards its targets in place of a and b, see
:mod:`.relaxed_marginal`.

Source: A. Thibault, L. Chizat, C. Dossal and N. Papadakis, Overrelaxed Sinkhorn-Knopp
algorithm for regularized optimal transport, 2017, section 3.
"""

import math

import numpy as np

from skopt2._core.array import namespace, put, sum64

# Rows and columns whose sums are further than exp(FAR) from their masses are not
# over-relaxed.
FAR = 20.0


def take_sweep(passes, f, g, log_a, log_b, eps, omega, sums=False):
    """Return the potentials after a sweep, and what it sees of the plan before it.

    Parameters
    ----------
    passes : PointPasses
        Source of the plan.
    f, g : array of shape (n,), (m,)
        Potentials; what is returned has their dtype.
    log_a, log_b : array of shape (n,), (m,)
        Logarithms of the masses.
    eps : float
        Regularisation.
    omega : float or (float, float)
        Relaxation, of the rows and of the columns.
    sums : bool, default=False
        Whether the sums of the plan are wanted, too.

    Returns
    -------
    f, g : array of shape (n,), (m,)
        Potentials after the sweep.
    row_error : float
        L1 error of the row sums before it.
    sums : tuple of array or None
        Row sums (n,) and column sums (m,) of the plan before it.
    """
    xp, base, dtype = passes.xp, passes.power.log_base, f.dtype
    left, right = omega if isinstance(omega, tuple) else (omega, omega)
    f0, g0 = passes.enter(f, 0), passes.enter(g, 1)
    log_a, log_b = passes.enter(log_a, 0), passes.enter(log_b, 1)
    f0 = xp.where(xp.isfinite(f0), f0, xp.zeros_like(f0))
    one = passes.first_sweep(f0, g0, log_a, log_b, eps)

    def moved(block):
        top = 0.0 if block.top is None else base * block.top
        t = xp.log(xp.astype(block.s, passes.wide)) + top
        return one.rho[block.rows] * xp.exp(top - relax(t, left) * t)

    def present(block):
        rho = one.rho[block.rows]
        return rho if block.top is None else rho * xp.exp(base * block.top)

    weighs = (moved, present) if sums else (moved,)
    s, top, (c, doubt), *rest = one.columns(*weighs)
    with np.errstate(all="ignore"):
        t = xp.log(s) + base * top
        t = xp.where(one.rho > 0, t, xp.zeros_like(t))
        row_error = sum64(one.rho * xp.abs(xp.expm1(t)))
        f1 = f0 - eps * relax(t, left) * t
        rows = one.rho * (s * xp.exp(base * top))
        t = xp.log(c)
        g1 = g0 - eps * relax(t, right) * t
    f1 = xp.where(one.rho > 0, f1, xp.zeros_like(f1) - math.inf)
    if bool(xp.any(doubt)):
        (index,) = xp.nonzero(doubt)
        exact = passes.softmin(passes.some_columns(index), f1, eps)
        exact = eps * xp.take(log_b, index) + exact
        if right < 1.0:
            exact = right * exact + (1.0 - right) * xp.take(g0, index)
        g1 = put(g1, index, exact)
    g1 = xp.where(one.kappa > 0, g1, xp.zeros_like(g1) - math.inf)
    found = None
    if sums:
        cols = one.kappa * passes.complete(*rest[0], one, one.rho)
        found = passes.leave(rows, 0, dtype), passes.leave(cols, 1, dtype)
    return passes.leave(f1, 0, dtype), passes.leave(g1, 1, dtype), row_error, found


def relax(t, omega):
    """Return the relaxation of rows whose sums are exp(t) times their masses."""
    if omega <= 1.0:
        return omega
    xp = namespace(t)
    return xp.where(xp.abs(t) < FAR, xp.full_like(t, omega), xp.ones_like(t))
