r"""Newton's method on the rows in use, for penalties of the norms of rows.

Problem: that of :mod:`skopt2.solvers.row_model`, over the rows that are not zero.
Symbols: M = grad q(V) (m, K); d = diag(G); u_j = v_j / |v_j|; c_j = pen'(|v_j|) /
|v_j|; h_j = pen''(|v_j|).

The objective is smooth around V in those rows. Newton's equation,

    (G D)_j + c_j (d_j - u_j u_j'd_j) + h_j u_j u_j'd_j = -(M_j + pen'(|v_j|) u_j)

for the rows d_j of D, is solved by conjugate gradients. The preconditioner leaves out
the terms along u_j: what remains, G + diag(c), is the same matrix for every task, so
that one Cholesky factor serves them all. Where that is not needed, it is the diagonal
of G and the penalty's own blocks, which have two different eigenvalues.

The step of that matrix alone minimises a quadratic bound of the objective, because
pen(t) <= pen(r) + pen'(r) (t^2 - r^2) / (2 r): it is taken where Newton's fails. Rows
that would turn round are set to zero.

Sources: J. Lee, Y. Sun and M. Saunders, Proximal Newton-type methods for minimizing
composite functions, SIAM J. Optimization 24, 2014, section 3; D. Hunter and R. Li,
Variable selection using MM algorithms, Annals of Statistics 33, 2005, eq. 3.2 (bound);
J. Nocedal and S. Wright, Numerical Optimization, 2nd edition, 2006, algorithm 7.1.
"""

import math

import numpy as np

from skopt2.solvers.row_model import row_norms

NEWTON_LIMIT, CG_LIMIT, BACKTRACKS = 10, 60, 6
# Curvature, relative to that of the preconditioner, that counts as none; what a penalty
# without a slope adds to a factor.
FLAT, FLOOR = 1e-10, 1e-7


def newton_rows(model, V, ids, by_gap, goal, expired):
    """Return a point with a lower objective and it, by Newton on some rows, or None.

    Parameters
    ----------
    model : RowModel
        The objective.
    V : ndarray of shape (m, K)
        Start, nonzero in the rows.
    ids : ndarray of int of shape (k,)
        Rows to move.
    by_gap : bool
        Whether the goal is one of the duality gap, or of the distance to stationarity.
    goal : float
        Where to end.
    expired : callable
        True when time is up.
    """
    M = model.gradient(V)
    value = first = model.value(V, M)
    scalar, lam = model.scalar, np.float64(model.lam)
    last = math.inf
    for _ in range(NEWTON_LIMIT):
        ids = ids[V[ids].any(axis=1)]
        rows = V[ids]
        norms = row_norms(rows)
        slope = scalar.derivative(norms, lam)
        bend = np.broadcast_to(scalar.curvature(norms, lam), norms.shape)
        force = M[ids] + (slope / norms)[:, None] * rows
        size = float(np.abs(force).max())
        # A gradient that is off by g changes the gap by about g * sum of the norms.
        enough = 0.1 * goal / float(norms.sum()) if by_gap else 0.1 * goal
        # Rounding ends what a small goal does not.
        if size <= enough or size >= 0.9 * last:
            break
        last = size
        unit = rows / norms[:, None]
        # No finer than the goal needs.
        forcing = min(0.1, math.sqrt(size / (model.lam + size)))
        forcing = max(forcing, min(0.3 * enough / size, 0.3))
        D, bound = _direction(model, ids, unit, slope / norms, bend, force, forcing)
        found = _search(model, V, ids, D, value, float(np.vdot(D, force)))
        if found is None and model.stiff:
            slant = float(np.vdot(bound, force))
            found = _search(model, V, ids, bound, value, slant)
        if found is None:
            model.stiff = True
            break
        V, M, value = found
        if expired():
            break
    return (V, value) if value <= first else None


def _direction(model, ids, u, c, h, force, forcing):
    """Return an approximate Newton direction, and that of the preconditioner alone."""
    d = model.d[ids]
    across = d + c
    along = np.where(d + h > 0.1 * d, d + h, d)
    spread = np.zeros(model.V.shape)

    def times(D):
        spread[ids] = D
        inner = np.einsum("ij,ij->i", u, D)
        out = model.curved(spread)[ids] + c[:, None] * D
        return out + ((h - c) * inner)[:, None] * u

    def block(R):
        inner = np.einsum("ij,ij->i", u, R)
        out = R / across[:, None]
        return out + (inner * (1.0 / along - 1.0 / across))[:, None] * u

    solve = None
    if model.stiff:
        solve = model.factorise(ids, np.maximum(c, FLOOR * d))
    solve = solve or block
    x, r = np.zeros_like(force), -force
    z = first = solve(r)
    p, rz = z, float(np.vdot(r, z))
    start = rz
    for count in range(CG_LIMIT):
        Hp = times(p)
        bent = float(np.vdot(p, Hp))
        if bent <= FLAT * float(np.vdot(p, p * across[:, None])):
            return (z if count == 0 else x), first
        step = rz / bent
        x = x + step * p
        r = r - step * Hp
        z = solve(r)
        rz, old = float(np.vdot(r, z)), rz
        if rz <= forcing**2 * start:
            break
        p = z + (rz / old) * p
    else:
        model.stiff = True
    return x, first


def _search(model, V, ids, D, value, descent):
    """Backtrack along a direction; None if no point is lower."""
    t = 1.0
    for _ in range(BACKTRACKS):
        trial = V.copy()
        rows = V[ids]
        end = rows + t * D
        # A row that would turn round has passed zero, where it may have to stay.
        turned = np.einsum("ij,ij->i", rows, end) <= 0.0
        end[turned] = 0.0
        trial[ids] = end
        M = model.gradient(trial)
        reached = model.value(trial, M)
        if reached <= value + 1e-4 * t * descent:
            return trial, M, reached
        t *= 0.5
    return None
