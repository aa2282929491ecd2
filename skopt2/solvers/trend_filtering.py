"""Trend filtering: a curve of polynomial pieces, by an interior point in the dual.

Problem: min_theta sum_i s_i (y_i - theta_i)^2 / 2 + alpha * norm1(D theta), (D theta)_j
the jump at knot j of the derivative of order k of the curve through theta.
Symbols: x (n,) increasing; y, theta (n,); s (n,), sum 1; D (m, n), m = n - k - 1: k!
times the differences of neighbouring divided differences of order k.

Dual: max_u u'D y - norm(D'u)^2 / 2 in the norm of S^-1, over abs(u_j) <= alpha, S =
diag(s). For any theta and any feasible u, with r = S (theta - y) + D'u, the gap is

    r'S^-1 r / 2 + alpha * norm1(D theta) - u'D theta,

a sum of nonnegative terms. With multipliers p, q of the bounds, each step of the
interior point solves

    [ S   D' ] [dtheta]
    [ D  -C  ] [du    ] = r,    C = diag(p / (alpha - u) + q / (alpha + u)),

with the unknowns in the order of x, which makes it a band, by Gaussian elimination with
pivots in O(n k^2). The dual system alone, D S^-1 D' + C, would be smaller, but has the
square of the condition: of D D' alone that is n^(2k + 2). Once it is clear which u are
at their bounds, one system of the same shape finds the others, which ends the search.

Sources: S.-J. Kim, K. Koh, S. Boyd and D. Gorinevsky, l1 trend filtering, SIAM Review
51, 2009, section 6 (interior point); R. Tibshirani, Adaptive piecewise polynomial
estimation via trend filtering, Annals of Statistics 42, 2014, section 6 (irregular x);
R. Tibshirani, Divided differences, falling factorials and discrete splines, Foundations
and Trends in Machine Learning 15, 2022, section 5 (interpolation).
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import LinAlgError, solve_banded

from skopt2._core.result import Measure
from skopt2.solvers.certificate import GAP

# Share of the mean complementarity to aim at, and of the way to the boundary to go.
CENTRING, BOUNDARY = 0.15, 0.99
# Steps beyond the tolerance in search of the knots.
EXTRA = 15


class TrendProblem:
    """Data of one problem, with x in units of its mean gap.

    Parameters
    ----------
    x : ndarray of shape (n,)
        Increasing.
    y : ndarray of shape (n,)
        Target.
    s : ndarray of shape (n,)
        Positive weights with sum 1.
    order : int
        Degree k of the pieces.
    """

    def __init__(self, x, y, s, order):
        self.y, self.s, self.order = y, s, order
        self.unit = (x[-1] - x[0]) / (x.size - 1)
        self.x = (x - x[0]) / self.unit
        self.rows = _difference_rows(self.x, order)
        self.drop = self.times(y)
        self.null_dual = self._null_dual()
        self.scale = self._null_excess()

    def times(self, theta):
        """Return D theta, (m,)."""
        m = self.rows.shape[0]
        return sum(self.rows[:, j] * theta[j : j + m] for j in range(self.order + 2))

    def adjoint(self, u):
        """Return D'u, (n,)."""
        out = np.zeros(self.y.size)
        for j in range(self.order + 2):
            out[j : j + u.size] += self.rows[:, j] * u
        return out

    def solve(self, top, rows, diagonal, right):
        """Solve S a + D'b = top, keep * D a - diagonal * b = right; None if singular.

        Parameters
        ----------
        top : ndarray of shape (n,)
            First right side.
        rows : ndarray of shape (m, k + 2)
            Rows of D in the second line, which may be 0.
        diagonal : ndarray of shape (m,)
            Of the second line.
        right : ndarray of shape (m,)
            Second right side.

        Returns
        -------
        a, b : ndarray of shape (n,) and (m,)
            Solution.
        """
        n, m, k = self.y.size, rows.shape[0], self.order
        shift = 2 * ((k + 1) // 2) + 1
        width = max(shift, 2 * (k + 1) - shift)
        bands = np.zeros((2 * width + 1, 2 * n - 1))
        bands[width] = 1.0
        bands[width, ::2] = self.s
        place = shift + 2 * np.arange(m)
        bands[width, place] = -diagonal
        for j in range(k + 2):
            other = 2 * (np.arange(m) + j)
            bands[width + shift - 2 * j, other] = rows[:, j]
            bands[width + 2 * j - shift, place] = self.rows[:, j]
        rhs = np.zeros(2 * n - 1)
        rhs[::2], rhs[place] = top, right
        try:
            out = solve_banded((width, width), bands, rhs, check_finite=False)
        except LinAlgError:
            return None
        return (out[::2], out[place]) if np.isfinite(out).all() else None

    def level(self, alpha):
        """Return alpha for x in units of its mean gap."""
        return alpha / self.unit**self.order

    @property
    def alpha_max(self):
        """Smallest alpha for which the curve is one polynomial."""
        return float(np.abs(self.null_dual).max()) * self.unit**self.order

    def _null_dual(self):
        """Return u with D'u = S (y - polynomial): the dual of the null model."""
        t = 2.0 * self.x / self.x[-1] - 1.0
        root = np.sqrt(self.s)
        basis = np.polynomial.legendre.legvander(t, self.order)
        fit = np.linalg.lstsq(root[:, None] * basis, root * self.y, rcond=None)[0]
        self.null_curve = basis @ fit
        rest = self.s * (self.y - self.null_curve)
        m = self.rows.shape[0]
        bands = np.zeros((self.order + 2, m))
        for j in range(self.order + 2):
            bands[j, : m - j if j else m] = self.rows[: m - j if j else m, j]
        return solve_banded((self.order + 1, 0), bands, rest[:m])

    def _null_excess(self):
        """Return the objective of the null model; 1 where it leaves rounding only."""
        excess = 0.5 * float(self.s @ (self.y - self.null_curve) ** 2)
        energy = float(self.s @ self.y**2)
        self.explains = excess > 1e-26 * energy
        if self.explains:
            return excess
        # A polynomial already: what the knots could explain is rounding errors.
        self.y, self.null_dual = self.null_curve, 0.0 * self.null_dual
        return energy if energy > 0.0 else 1.0


def _difference_rows(x, order):
    """Return the entries of D, row by row, (n - order - 1, order + 2)."""
    m = x.size - order
    weights = np.empty((m, order + 1))
    for j in range(order + 1):
        weights[:, j] = float(math.factorial(order))
        for i in range(order + 1):
            if i != j:
                weights[:, j] /= x[j : j + m] - x[i : i + m]
    rows = np.zeros((m - 1, order + 2))
    rows[:, 1:] += weights[1:]
    rows[:, :-1] -= weights[:-1]
    return rows


@dataclass(frozen=True)
class TrendState:
    """Where the interior point stands, u in units of the level.

    Parameters
    ----------
    theta : ndarray of shape (n,)
        Curve.
    u : ndarray of shape (m,)
        Dual point over alpha, in [-1, 1].
    p, q : ndarray of shape (m,)
        Positive multipliers of u <= 1 and u >= -1.
    best : tuple of (ndarray, ndarray, ndarray) or None
        Curve that has no jumps but at some knots, dual point, and bool (m,) of these
        knots, if such are known.
    stalled : bool
        True if no step is possible.
    """

    theta: np.ndarray
    u: np.ndarray
    p: np.ndarray
    q: np.ndarray
    best: tuple | None = None
    stalled: bool = False

    @property
    def point(self):
        """Curve and dual point to be reported."""
        return (self.theta, self.u) if self.best is None else self.best[:2]


class TrendInterior:
    """Primal-dual interior point with a finish on the active set.

    Parameters
    ----------
    problem : TrendProblem
        The data.
    alpha : float
        Positive level, in the units of x that the user has.
    tol : float, default=1e-6
        Tolerance of the certificate.
    """

    check_every = 1
    certificate_name = GAP

    def __init__(self, problem, alpha, tol=1e-6):
        self.problem, self.level = problem, problem.level(alpha)
        # From the largest level on, all problems have the null model as solution, whose
        # jumps are rounding errors: no need to multiply them by more.
        top = float(np.abs(problem.null_dual).max()) * (1.0 + 1e-8)
        if not problem.explains:
            top = float(np.abs(problem.y).max()) or 1.0
        self.level = min(self.level, top)
        self.tol = tol
        # Curves in units of the level, so that the bounds of u are 1.
        self.y = problem.y / self.level

    def init(self, start=None):
        """Return the start: the centre, or the null model where it is optimal."""
        problem = self.problem
        null = problem.null_dual / self.level
        m = null.size
        best = None
        if np.abs(null).max() <= 1.0:
            best = problem.null_curve / self.level, null, np.zeros(m, dtype=bool)
        size = max(float(np.abs(problem.drop).mean()) / self.level, 1e-300)
        multipliers = np.full(m, size)
        return TrendState(self.y, np.zeros(m), multipliers, multipliers, best)

    def step(self, state):
        """Take a step; where the gap is short, more, until the knots are known.

        A point that is good enough for the tolerance still has small jumps everywhere.
        """
        state = self._move(state)
        for _ in range(EXTRA):
            gap = self.level**2 * self._gap(*state.point)
            if state.best or state.stalled or gap > self.tol * self.problem.scale:
                break
            state = self._move(state)
        return state

    def _move(self, state):
        """Take a step towards the central path, and try to finish."""
        problem, u, p, q = self.problem, state.u, state.p, state.q
        upper, lower = 1.0 - u, 1.0 + u
        if not min(upper.min(), lower.min(), p.min(), q.min()) > 0.0:
            # The centre is nearer to the boundary than numbers can tell.
            return replace(state, stalled=True)
        barrier = CENTRING * float(upper @ p + lower @ q) / (2 * u.size)
        top = problem.s * (self.y - state.theta) - problem.adjoint(u)
        right = barrier / upper - barrier / lower - problem.times(state.theta)
        moves = problem.solve(top, problem.rows, p / upper + q / lower, right)
        if moves is None:
            return replace(state, stalled=True)
        dtheta, du = moves
        dp = -p + (barrier + du * p) / upper
        dq = -q + (barrier - du * q) / lower
        reach = min(_reach(p, dp), _reach(q, dq), _reach(upper, -du), _reach(lower, du))
        h = min(1.0, BOUNDARY * reach)
        state = replace(
            state,
            theta=state.theta + h * dtheta,
            u=u + h * du,
            p=p + h * dp,
            q=q + h * dq,
        )
        return self._finish(state)

    def _finish(self, state):
        """Solve on the active set; keep the point if it has a smaller gap."""
        problem = self.problem
        upper, lower = state.p > 1.0 - state.u, state.q > 1.0 + state.u
        fixed = upper | lower
        bound = np.where(upper, 1.0, np.where(lower, -1.0, 0.0))
        rows = np.where(fixed[:, None], 0.0, problem.rows)
        found = problem.solve(
            problem.s * self.y, rows, np.where(fixed, 1.0, 0.0), -bound
        )
        if found is None:
            return state
        if self._gap(state.theta, state.u) < self._gap(*state.point):
            state = replace(state, best=None)
        curve, least = found[0], self._gap(*state.point)
        # Any pair is certified: the curve of pieces may go with either dual point.
        for u in (np.clip(np.where(fixed, bound, found[1]), -1.0, 1.0), state.u):
            gap = self._gap(curve, u)
            if gap < least:
                least, state = gap, replace(state, best=(curve, u, fixed))
        return state

    def _gap(self, theta, u):
        """Return the duality gap in units of level^2."""
        s, jumps = self.problem.s, self.problem.times(theta)
        rest = s * (theta - self.y) + self.problem.adjoint(u)
        return float(0.5 * (rest @ (rest / s)) + np.abs(jumps).sum() - u @ jumps)

    def certificate(self, state):
        """Return the objective and the duality gap, relative to the null model."""
        theta, u = state.point
        problem, unit = self.problem, self.level**2
        gap = unit * max(self._gap(theta, u), 0.0)
        objective = 0.5 * float(problem.s @ (self.y - theta) ** 2)
        objective = unit * (objective + float(np.abs(problem.times(theta)).sum()))
        extra = {"knots": int(self._used(state).sum())}
        return Measure(objective, gap / problem.scale, gap, extra, state.stalled)

    def finalize(self, state):
        """Return theta (n,) and which knots are in use, bool (m,)."""
        theta, _ = state.point
        return self.level * theta, self._used(state)

    def _used(self, state):
        """Return which knots are in use, as far as the iteration can tell."""
        if state.best is not None:
            return state.best[2]
        return (state.p > 1.0 - state.u) | (state.q > 1.0 + state.u)

    def pack(self, state):
        """Return the state as plain arrays, for a checkpoint."""
        arrays = {name: getattr(state, name) for name in ("theta", "u", "p", "q")}
        if state.best is not None:
            names = ("best_theta", "best_u", "best_knots")
            arrays.update(zip(names, state.best, strict=True))
        return arrays

    def unpack(self, packed):
        """Return the state of a checkpoint."""
        packed = {name: np.asarray(value) for name, value in packed.items()}
        best = None
        if "best_u" in packed:
            names = ("best_theta", "best_u", "best_knots")
            best = tuple(packed[name] for name in names)
        return TrendState(*(packed[name] for name in ("theta", "u", "p", "q")), best)


def _reach(value, move):
    """Return the largest step that keeps value + step * move nonnegative."""
    falls = move < 0
    return float((value[falls] / -move[falls]).min()) if falls.any() else math.inf


def interpolate(x, theta, order, at):
    """Return the discrete spline through (x, theta) at other places.

    Between two points it is the polynomial through the right one and the ``order``
    points to its left, at the ends the first and the last of these polynomials; of
    order 0, the step function that is constant to the left.

    Parameters
    ----------
    x : ndarray of shape (n,)
        Increasing.
    theta : ndarray of shape (n,)
        Values.
    order : int
        Degree.
    at : ndarray of shape (q,)
        Places.

    Returns
    -------
    values : ndarray of shape (q,)
        Equal to theta at x.
    """
    right = np.clip(np.searchsorted(x, at, side="left"), order, x.size - 1)
    start = right - order
    # Newton's form: divided differences of the points start, ..., right.
    table = [theta[start + j] for j in range(order + 1)]
    places = [x[start + j] for j in range(order + 1)]
    for depth in range(1, order + 1):
        for j in range(order, depth - 1, -1):
            table[j] = (table[j] - table[j - 1]) / (places[j] - places[j - depth])
    value = table[order]
    for j in range(order - 1, -1, -1):
        value = table[j] + (at - places[j]) * value
    return value
