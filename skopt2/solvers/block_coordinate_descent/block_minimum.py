"""The minimiser of a quadratic model and a separable penalty on one block.

Problem: min_d m(d) = g'd + d'Hd / 2 + sum_i pen(x_i + d_i; lam_i) - pen(x_i; lam_i).
Symbols: g (t,); H (t, t) positive semidefinite; x (t,).

Without a penalty that is d = -H^-1 g. Otherwise each step takes Newton's direction for
the coordinates that no end of their piece holds, projects it on the piece, and is
halved until the model falls enough: the two-metric projection. A coordinate that sits
at an end and that Newton would push through it takes a gradient step instead, as the
direction of all is one of descent only then. Where no step helps, that of the proximal
gradient does. After finitely many steps the held coordinates are those of the
minimiser, and the last step is exact.

Source: D. Bertsekas, Projected Newton methods for optimization problems with simple
constraints, SIAM J. Control and Optimization 20, 1982; J. Nutini, I. Laradji and M.
Schmidt, JMLR 23:131, 2022, section 5.3.
"""

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from skopt2.solvers.block_coordinate_descent.pieces import piece

# Largest number of steps of one block, of trials of one step, and of systems that are
# solved to find which coordinates it holds.
STEPS, HALVINGS, HOLDINGS = 30, 12, 4
# Relative part of the decrease of the linear model that a step must bring.
SUFFICIENT = 1e-4
# An end within this part of a gradient step counts as reached.
CLOSE = 1e-3
# Of what is summed in that test.
ROUNDING = 4.0 * float(np.finfo(np.float64).eps)
# A pivot that is a smaller part of its diagonal element is rounding. What makes such a
# matrix definite is a proximal term, small enough for few steps, large enough that a
# kink is not overrun along the directions without curvature.
SINGULAR, RIDGE, LAST_RIDGE = 1e-11, 1e-4, 1e-1


class DenseMatrix:
    """Model matrix of a block.

    Parameters
    ----------
    H : ndarray of shape (t, t)
        Symmetric.
    ridge : float, default=RIDGE
        What is added to a singular matrix, relative to its diagonal.
    """

    def __init__(self, H, ridge=RIDGE):
        self.H, self.ridge = H, ridge
        self._factor = None

    def times(self, v):
        """Return H v."""
        return self.H @ v

    @property
    def bound(self):
        """A bound of the eigenvalues."""
        return float(np.abs(self.H).sum(axis=1).max(initial=0.0))

    def solve(self, r, free=None, extra=None):
        """Return (H + diag(extra))_ff^-1 r_f on the free coordinates, 0 elsewhere.

        Parameters
        ----------
        r : ndarray of shape (t,)
            Right-hand side.
        free : ndarray of bool of shape (t,), default=None
            None for all.
        extra : ndarray of shape (t,), default=None
            What the penalty adds to the diagonal; its concave part is left out where
            the matrix is not definite with it.
        """
        bent = extra is not None and extra.any()
        if bent:
            H = self.H + np.diag(extra)
        elif free is None or free.all():
            if self._factor is None:
                self._factor = _factor(self.H, self.ridge)
            return cho_solve(self._factor, r, check_finite=False)
        else:
            H = self.H
        f = np.arange(r.size) if free is None else np.flatnonzero(free)
        out = np.zeros(r.size)
        if f.size:
            spare = (
                self.H[np.ix_(f, f)] + np.diag(np.maximum(extra[f], 0))
                if bent
                else None
            )
            factor = _factor(H[np.ix_(f, f)], self.ridge, spare)
            out[f] = cho_solve(factor, r[f], check_finite=False)
        return out


class ForestMatrix:
    """Model matrix of a block that is a forest; systems are solved by messages.

    Parameters
    ----------
    block : ForestBlock
        Its nodes are the coordinates, in its order.
    """

    def __init__(self, block):
        self.block = block

    def times(self, v):
        """Return H v."""
        return self.block.inner @ v

    @property
    def bound(self):
        """A bound of the eigenvalues."""
        return float(abs(self.block.inner).sum(axis=1).max())

    def solve(self, r, free=None, extra=None):
        """Return the solution on the free coordinates; a concave extra counts as 0."""
        free = None if free is None or free.all() else free[:, None]
        factor = None
        if extra is not None and extra.any():
            factor = self.block.factor(free, np.maximum(extra, 0.0)[:, None])
        return self.block.solve(r[:, None], free, factor)[:, 0]


def _factor(H, ridge, spare=None):
    """Return a Cholesky factor of H, else of the spare, else with a ridge."""
    for matrix in (H, spare) if spare is not None else (H,):
        try:
            factor = cho_factor(matrix, lower=True, check_finite=False)
        except LinAlgError:
            continue
        pivots = factor[0].diagonal() ** 2
        if (pivots > SINGULAR * matrix.diagonal()).all():
            return factor
    diagonal = np.abs(matrix.diagonal())
    size = np.where(diagonal > 0.0, diagonal, max(diagonal.max(initial=0.0), 1e-300))
    for part in (ridge, LAST_RIDGE):
        try:
            shifted = matrix + np.diag(part * size)
            return cho_factor(shifted, lower=True, check_finite=False)
        except LinAlgError:
            continue
    return cho_factor(np.diag(size), lower=True)


def block_minimum(matrix, g, x, penalty, lam):
    """Return the move to the minimiser of the model, and the decrease that it promises.

    Parameters
    ----------
    matrix : DenseMatrix or ForestMatrix
        H.
    g, x : ndarray of shape (t,)
        Gradient and point.
    penalty : Penalty or None
        Restricted to the block; None without a penalty.
    lam : ndarray of shape (t,)
        Levels.

    Returns
    -------
    d : ndarray of shape (t,)
        Move.
    decrease : float
        -m(d), not negative but for rounding.
    """
    if penalty is None:
        d = -matrix.solve(g)
        return d, -0.5 * float(g @ d)
    d, total, slope, least = np.zeros(x.size), 0.0, g, None
    y, terms = x, penalty.terms(x, lam)
    floor = ROUNDING * float(np.abs(g).max(initial=0.0))
    for _ in range(STEPS):
        local = piece(penalty, y, slope, lam)
        worst = float(np.abs(local.q[local.free]).max(initial=0.0))
        least = max(1e-10 * worst, floor) if least is None else least
        if worst <= least:
            break
        found = _step(matrix, penalty, lam, y, slope, terms, local)
        if found is None:
            break
        y, slope, terms, decrease = found
        d, total = y - x, total + decrease
    if penalty.convex:
        # What the minimum of a convex model is below its start, without cancellation.
        total = max(total, 0.5 * float(d @ matrix.times(d)))
    return d, total


def _step(matrix, penalty, lam, y, slope, terms, local):
    """Return point, slope, terms and decrease of one projected step; None if none."""
    direction = _direction(matrix, penalty, lam, y, local)
    for length in _lengths(y, direction, local):
        new = np.clip(y + length * direction, local.low, local.high)
        drop = float(local.q @ (new - y))
        if not drop < 0.0:
            break
        found = _trial(matrix, penalty, lam, y, new, slope, terms)
        if found[-1] >= -SUFFICIENT * drop:
            return found
        # Near the minimum a step gains less than the rounding of its own test.
        noise = np.abs(slope) @ np.abs(new - y) + np.abs(found[2]).sum()
        if -drop <= ROUNDING * float(noise):
            return found if length == 1.0 else None
    step = 1.0 / max(matrix.bound, 1e-300)
    new = penalty.prox(y - step * slope, step, lam)
    found = _trial(matrix, penalty, lam, y, new, slope, terms)
    return found if found[-1] > 0.0 else None


def _lengths(y, direction, local):
    """Yield step lengths: halvings of 1, then the way to the first end.

    Up to there nothing is projected, so a direction of descent does descend, however
    long it is: that of a nearly singular matrix is.
    """
    yield from (0.5**halving for halving in range(HALVINGS))
    ends = np.where(direction > 0.0, local.high, local.low)
    moving = (direction != 0.0) & (ends != y) & np.isfinite(ends)
    room, moves = (ends - y)[moving], direction[moving]
    if moves.size:
        # A hair beyond, so that the coordinate arrives.
        first = (1.0 + 1e-12) * float((room / moves).min())
        if first < 0.5**HALVINGS:
            yield from (first * 0.5**halving for halving in range(HALVINGS))


def _trial(matrix, penalty, lam, y, new, slope, terms):
    move = new - y
    change = matrix.times(move)
    ends = penalty.terms(new, lam)
    fall = -float(slope @ move + 0.5 * (move @ change) + (ends - terms).sum())
    return new, slope + change, ends, fall


def _direction(matrix, penalty, lam, y, local):
    """Return Newton's direction on the coordinates that nothing holds."""
    low, high, q = local.low, local.high, local.q
    # Almost at an end, and pulled to it: there it goes, by itself. Otherwise the way
    # that is left to it would cut the step of all others.
    gradient = q / max(matrix.bound, 1e-300)
    reach = CLOSE * np.abs(gradient)
    down, up = (q > 0.0) & (y - low <= reach), (q < 0.0) & (high - y <= reach)
    away = local.free & ~down & ~up
    free, extra = away, penalty.curvature(y, lam)
    for _ in range(HOLDINGS):
        d = -matrix.solve(np.where(free, q, 0.0), free, extra)
        through = free & (((y <= low) & (d < 0.0)) | ((y >= high) & (d > 0.0)))
        if not through.any():
            break
        free = free & ~through
    else:
        d = np.where(through, 0.0, d)
    # What Newton would push through its end takes a gradient step, the second metric.
    d = np.where(away & ~free, -gradient, d)
    return np.where(down, low - y, np.where(up, high - y, d))
