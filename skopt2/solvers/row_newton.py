r"""Newton's method on the rows in use, for penalties of the norms of rows.

Problem: min_V q(V) + sum_j pen(|v_j|; lam) over V (m, K), the rows of a working set; q
is quadratic with the Hessian G (m, m) in every column.
Symbols: M = grad q(V) (m, K); d = diag(G); u_j = v_j / |v_j|; c_j = pen'(|v_j|) /
|v_j|; h_j = pen''(|v_j|).

Proximal steps with momentum find which rows are zero. Each row has its own step,
1 / (theta d_j) with theta the largest eigenvalue of G scaled to a unit diagonal: the
prox of a norm allows that, and the method does not see the scale of the features. When
the rows in use have not changed between two looks, the objective is smooth around V in
those rows, and Newton's method minimises it. Its equation,

    (G D)_j + c_j (d_j - u_j u_j'd_j) + h_j u_j u_j'd_j = -(M_j + pen'(|v_j|) u_j)

for the rows d_j of D, is solved by conjugate gradients, with the diagonal of G and the
penalty's own blocks, which have two different eigenvalues, as preconditioner.

Concave penalties have points that are stationary but minimal for no single row, where
d_j is less than the concavity. There rows are moved to the minima of their own models.

Sources: A. Beck and M. Teboulle, SIAM J. Imaging Sciences 2, 2009, eqs. 4.1-4.3; B.
O'Donoghue and E. Candes, Foundations of Computational Mathematics 15, 2015, section
3.2 (restart); J. Lee, Y. Sun and M. Saunders, SIAM J. Optimization 24, 2014, section 3;
Z. Qin, K. Scheinberg and D. Goldfarb, Mathematical Programming Computation 5, 2013 (one
row).
"""

import math

import numpy as np

from skopt2.solvers.multitask_problem import best_dual

# Proximal steps between two looks, and most of them in one call.
PERIOD, INNER_LIMIT = 10, 3000
NEWTON_LIMIT, CG_LIMIT, BACKTRACKS = 10, 60, 6
POWER_ITERATIONS, MARGIN = 20, 1.1
# Curvature, relative to that of the preconditioner, that counts as none.
FLAT = 1e-10


def row_norms(V):
    """Return the Euclidean norms of the rows, (m,)."""
    return np.sqrt(np.einsum("ij,ij->i", V, V))


class RowModel:
    """The objective on a working set of rows.

    Parameters
    ----------
    scalar : Penalty
        Of the norm of a row.
    convex : bool
        Whether it is.
    curved : callable
        D -> G D.
    diagonal : ndarray of shape (m,)
        d, positive.
    lam : float
        Level, positive.
    V, M : ndarray of shape (m, K)
        The start and its gradient.
    base, fit : float
        The loss at the start, and <R, Y>_s there.
    target : ndarray of shape (m, K)
        X'(s * Y).
    """

    def __init__(
        self, scalar, convex, curved, diagonal, lam, V, M, *, base, fit, target
    ):
        self.scalar, self.convex, self.curved = scalar, convex, curved
        self.d, self.lam = diagonal, lam
        self.V, self.M, self.base, self.fit, self.target = V, M, base, fit, target
        self._theta = None

    @property
    def theta(self):
        """Largest eigenvalue of G scaled to a unit diagonal, with a margin."""
        if self._theta is None:
            root = np.sqrt(self.d)
            v = np.cos(1.0 + 1.7 * np.arange(self.d.size))[:, None]
            size = 1.0
            for _ in range(POWER_ITERATIONS):
                v = v / max(float(np.linalg.norm(v)), 1e-300)
                v = self.curved(v / root[:, None]) / root[:, None]
                size = float(np.linalg.norm(v))
            self._theta = MARGIN * max(1.0, size)
        return self._theta

    def gradient(self, V):
        """Return M at a point."""
        return self.M + self.curved(V - self.V)

    def loss(self, V, M):
        """Return the loss from the gradient at the same point."""
        return self.base + 0.5 * float(np.vdot(V - self.V, self.M + M))

    def penalty(self, V):
        """Return the penalty."""
        return self.scalar.value(row_norms(V), np.float64(self.lam))

    def value(self, V, M):
        """Return the objective from the gradient at the same point."""
        return self.loss(V, M) + self.penalty(V)

    def gap(self, V, M, value):
        """Return the duality gap on the working set."""
        loss = self.loss(V, M)
        fit = self.fit - float(np.vdot(V - self.V, self.target))
        norm = float(row_norms(M).max(initial=0.0))
        return value - best_dual(2.0 * loss, fit, self.lam, norm)

    def distance(self, V, M):
        """Return the largest distance of a row of -M to the subdifferential."""
        return float(row_distances(self.scalar, V, M, self.lam).max(initial=0.0))

    def prox(self, Z, steps):
        """Return the prox of all rows, each with its own step."""
        norms = row_norms(Z)
        new = self.scalar.prox(norms, steps, np.float64(self.lam))
        return Z * (new / np.where(norms > 0.0, norms, 1.0))[:, None]


def row_distances(scalar, V, M, lam):
    """Return the distance of each row of -M to the subdifferential of pen(|v_j|).

    Parameters
    ----------
    scalar : Penalty
        Of the norm of a row.
    V, M : ndarray of shape (m, K)
        Point and gradient.
    lam : float
        Level.
    """
    norms = row_norms(V)
    safe = np.where(norms > 0.0, norms, 1.0)
    slope = scalar.derivative(norms, np.float64(lam)) / safe
    moved = row_norms(M + slope[:, None] * V)
    return np.where(norms > 0.0, moved, np.maximum(moved - lam, 0.0))


def minimise_rows(model, by_gap, goal, expired):
    """Return the minimiser on a working set of rows.

    Parameters
    ----------
    model : RowModel
        Objective and start.
    by_gap : bool
        Whether the goal is one of the duality gap, or of the distance to stationarity.
    goal : float
        Where to end.
    expired : callable
        True when time is up.
    """
    return _Search(model, by_gap, goal, expired).run()


class _Search:
    """Proximal steps with momentum, and Newton once the rows in use stay the same."""

    def __init__(self, model, by_gap, goal, expired):
        self.model, self.by_gap, self.goal = model, by_gap, goal
        self.expired = expired
        self.best = self.new = self.old = model.V
        self.t, self.plain, self.stretch = 1.0, False, 1.0
        self.value = model.value(model.V, model.M)
        self.slack = 1e-15 * abs(self.value)
        self.used, self.wait, self.idle, self.looks = None, 0, 0, 0

    def run(self):
        """Iterate to the goal."""
        reached = self._reached(self.best, self.model.M, self.value)
        if reached and not self._move_rows(self.model.M):
            return self.best
        if np.any(self.best):
            # A warm start may have the rows already.
            self._newton(row_norms(self.best) > 0.0)
        for _ in range(INNER_LIMIT // PERIOD):
            self._advance()
            if self._look() or self.expired():
                break
        return self.best

    def _reached(self, V, M, value):
        model = self.model
        if self.by_gap:
            return model.gap(V, M, value) <= self.goal
        return model.distance(V, M) <= self.goal

    def _advance(self):
        model = self.model
        scale = self.stretch * model.theta * model.d
        steps = 1.0 / scale
        for _ in range(PERIOD):
            ahead = 0.5 * (1.0 + math.sqrt(1.0 + 4.0 * self.t**2))
            Z = self.new
            if not self.plain:
                Z = Z + ((self.t - 1.0) / ahead) * (self.new - self.old)
            end = model.prox(Z - steps[:, None] * model.gradient(Z), steps)
            turn = np.einsum("ij,ij,i->", Z - end, end - self.new, scale)
            self.t = 1.0 if turn > 0.0 else ahead
            self.old, self.new = self.new, end

    def _restart(self, V, plain=False):
        self.best = self.new = self.old = V
        self.t, self.plain = 1.0, plain

    def _look(self):
        """Judge the last iterate; True at the end."""
        model = self.model
        M = model.gradient(self.new)
        value = model.value(self.new, M)
        if not value <= self.value + self.slack:
            if self.plain:
                self.stretch *= 2.0
            self._restart(self.best, plain=True)
            return self.stretch > 1e6
        moved = self.value - value
        self.best, self.value, self.plain = self.new, value, False
        if self._reached(self.best, M, value):
            return not self._move_rows(M)
        used = row_norms(self.best) > 0.0
        settled = self.used is not None and np.array_equal(used, self.used)
        self.used = used
        self.wait -= 1
        self.looks += 1
        if (settled or self.looks % 3 == 0) and self.wait <= 0 and used.any():
            before = self.value
            self._newton(used)
            moved += before - self.value
            M = model.gradient(self.best)
            if self._reached(self.best, M, self.value):
                return not self._move_rows(M)
        self.idle = 0 if moved > self.slack else self.idle + 1
        return self.idle > 3

    def _newton(self, used):
        """Run Newton on some rows; go on from there if the objective is lower."""
        ids = np.flatnonzero(used)
        found = newton_rows(
            self.model, self.best, ids, self.by_gap, self.goal, self.expired
        )
        if found is None:
            self.wait = 4
            return
        V, value = found
        if value < self.value - self.slack:
            self._restart(V)
            self.value = value
        else:
            # The momentum of the proximal steps is worth more.
            self.wait = 4

    def _move_rows(self, M):
        """Move rows to the minima of their own models, all or half; True if it gains.

        One row at a time this cannot fail.
        """
        model = self.model
        if model.convex:
            return False
        steps = 1.0 / model.d
        moves = model.prox(self.best - steps[:, None] * M, steps) - self.best
        # Twice as far as stationarity allows: these rows are no minima of their own.
        force = row_norms(moves) * model.d
        gains = np.where(force > 2.0 * max(self.goal, 1e-9 * model.lam), force, 0.0)
        order = np.argsort(-gains)[: int(np.count_nonzero(gains))]
        while order.size:
            V = self.best.copy()
            V[order] += moves[order]
            value = model.value(V, model.gradient(V))
            if value < self.value - self.slack:
                self._restart(V)
                self.value = value
                return True
            order = order[: order.size // 2]
        return False


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
        D = _direction(model, ids, rows / norms[:, None], slope / norms, bend, force)
        found = _search(model, V, ids, D, value, float(np.vdot(D, force)))
        if found is None:
            break
        V, M, value = found
        if expired():
            break
    return (V, value) if value <= first else None


def _direction(model, ids, u, c, h, force):
    """Return an approximate Newton direction by preconditioned conjugate gradients."""
    d = model.d[ids]
    across = d + c
    along = np.where(d + h > 0.1 * d, d + h, d)
    spread = np.zeros(model.V.shape)
    lowest = float(model.lam) + float(np.abs(force).max())
    forcing = min(0.1, math.sqrt(float(np.abs(force).max()) / lowest))

    def times(D):
        spread[ids] = D
        inner = np.einsum("ij,ij->i", u, D)
        out = model.curved(spread)[ids] + c[:, None] * D
        return out + ((h - c) * inner)[:, None] * u

    def solve(R):
        inner = np.einsum("ij,ij->i", u, R)
        out = R / across[:, None]
        return out + (inner * (1.0 / along - 1.0 / across))[:, None] * u

    x, r = np.zeros_like(force), -force
    z = solve(r)
    p, rz = z, float(np.vdot(r, z))
    start = rz
    for count in range(CG_LIMIT):
        Hp = times(p)
        bent = float(np.vdot(p, Hp))
        if bent <= FLAT * float(np.vdot(p, p * across[:, None])):
            return z if count == 0 else x
        step = rz / bent
        x = x + step * p
        r = r - step * Hp
        z = solve(r)
        rz, old = float(np.vdot(r, z)), rz
        if rz <= forcing**2 * start:
            break
        p = z + (rz / old) * p
    return x


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
