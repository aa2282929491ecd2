"""An interior point method for a smooth loss in a box.

Problem: min_(w, b) f(w, b) s.t. lower <= w <= upper, over the columns of a working set.
Symbols: g, H gradient and Hessian of f; p (2, m) = (w - lower, upper - w) the distances
from the walls and y (2, m) >= 0 their multipliers; sign (2, 1) = (1, -1); mu the target
of every product p * y.

    g - sum(sign * y) = 0,  p * y = mu,  mu -> 0,

one Newton step per mu: with y eliminated its matrix is H + diag(sum(y / p)).
That is well posed where H is singular, with more features than samples, and where
steps that project a Newton direction onto the box undo each other. What ends within its
bound is put there, so that the proximal gradient method goes on from a point of the
right face.

Source: J. Nocedal and S. Wright, Numerical Optimization, 2nd edition, 2006, eqs. 19.9
to 19.14 (primal-dual system), 19.27 (merit function).
"""

from skopt2._core.array import asarray_like, cholesky_solve, device_of

# Columns beyond which the matrix is too large to factorise again and again.
LARGEST = 1000
STEPS, SHRINK, REACH = 100, 0.15, 0.995
# Decrease that a Newton step foresees, in units of the gap, at which mu may shrink.
AHEAD = 3.0
# Multiplier over distance, columns of norm 1, from which a coordinate is at its wall.
# Less of it would move others' gradients by more than the gap of a wide box bears.
CLEAR = 1e6
# What keeps the matrix definite where a coordinate has no wall, in units of H_jj.
RIDGE = 1e-11


def is_box(penalty):
    """Return whether bounds are all there is to a penalty."""
    return penalty.name in ("box", "positive box")


def fits(model):
    """Return whether a working set is small enough, and of one output, and dense."""
    dense = model.K == 1 and not model.problem.design.sparse
    return dense and 0 < model.m <= LARGEST


class Walls:
    """The walls of the box in variables that give every column the norm 1.

    Parameters
    ----------
    model : CompositeModel
        The working set.
    lam : array of shape (m,)
        Levels; inf fixes a coordinate at 0.
    root : array of shape (m,)
        Norms of the columns.
    """

    def __init__(self, model, lam, root):
        xp = self.xp = model.xp
        low, high = (
            xp.zeros_like(root) + asarray_like(bound, root)
            for bound in model.penalty.bounds
        )
        self.moves = xp.astype(~xp.isinf(lam) & (high > low), root.dtype)
        wall = xp.stack([low, high])
        self.exists = xp.isfinite(wall) & (self.moves > 0.0)[None, :]
        self.wall = xp.where(self.exists, wall, 0.0) * root
        one = xp.ones_like(root)
        self.sign = xp.stack([one, -one])

    def distance(self, w):
        """Return p, 1 where there is no wall."""
        return self.xp.where(self.exists, self.sign * (w - self.wall), 1.0)

    def inside(self, w):
        """Return a point that is at a distance from both walls."""
        xp, low, high = self.xp, self.exists[0, :], self.exists[1, :]
        room = xp.where(low & high, self.wall[1, :] - self.wall[0, :], 1.0)
        margin = 0.1 * xp.minimum(room, 1.0)
        w = xp.where(low, xp.maximum(w, self.wall[0, :] + margin), w)
        w = xp.where(high, xp.minimum(w, self.wall[1, :] - margin), w)
        return self.moves * w

    def reach(self, x, change):
        """Return the largest t in [0, 1] with x + t * change well above 0."""
        xp = self.xp
        ratio = xp.where(self.exists, -change / xp.where(self.exists, x, 1.0), 0.0)
        return min(1.0, REACH / max(float(xp.max(ratio)), 1e-300))


def interior_point(model, point, lam, tight, goal):
    """Return the minimiser and its objective.

    Waits for the device at every step.

    Parameters
    ----------
    model : CompositeModel
        A box as its penalty.
    point : Point
        Where to start, as far as it is inside the box.
    lam : array of shape (m,)
        Levels; inf fixes a coordinate at 0.
    tight : float
        Sum of all p * y to end at, in units of the objective.
    goal : float
        Largest entry to end at of the gradient less its multipliers. A flat loss moves
        by little where its gradient, times the width of the box, is still a gap.
    """
    xp, root = model.xp, model.metric**0.5
    walls = Walls(model, lam, root)
    count = max(float(xp.sum(xp.astype(walls.exists, root.dtype))), 1.0)
    w, b = walls.inside(point.w * root), point.b
    A = model.columns(xp.arange(model.m, device=device_of(root))) / root
    mu = max(abs(model.problem.loss_value(point.eta)), tight) / count
    # Distances are carried on: taken anew from w, the short ones would be rounding.
    p, gap = walls.distance(w), mu * count
    y = xp.where(walls.exists, mu / p, 0.0)
    for _ in range(STEPS):
        at = model.at(w / root, b)
        g, slope = model.gradient(at.eta)
        force = walls.moves * g / root
        left = force - xp.sum(walls.sign * y, axis=0)
        if gap <= tight and float(xp.max(xp.abs(left) * root)) <= goal:
            break
        force = force - xp.sum(xp.where(walls.exists, walls.sign * mu / p, 0.0), axis=0)
        found = _direction(model, A, at.eta, walls, xp.sum(y / p, axis=0), force, slope)
        if found is None:
            break
        d, e = found
        move = xp.where(walls.exists, walls.sign * d, 0.0)
        turn = xp.where(walls.exists, (mu - move * y) / p, 0.0) - y
        falls = float(xp.sum(force * d)) + (float(slope * e) if model.explicit else 0.0)
        t = _search(model, (w / root, b, d / root, e), (p, move), mu, falls, walls)
        if t is None:
            break
        w, b = w + t * d, b + t * e if model.explicit else b
        p, y = p + t * move, y + walls.reach(y, turn) * turn
        gap = float(xp.sum(p * y))
        # A mu that ran ahead of the gradient would press the point against the walls.
        if t > 0.1 and -falls <= AHEAD * mu * count:
            mu = max(SHRINK * gap, 0.1 * tight) / count
    near = walls.exists & (y > CLEAR * p)
    w = xp.where(near[0, :], walls.wall[0, :], w)
    w = xp.where(near[1, :], walls.wall[1, :], w)
    # At level 0 the prox is the projection, which returns the bounds as they are given.
    end = model.at(model.penalty.prox(w / root, 1.0, lam), b)
    return end, model.objective(end, lam)


def _direction(model, A, eta, walls, bend, force, slope):
    """Solve (H + diag(bend)) d = -force, with the intercept; None if it fails."""
    xp, problem = model.xp, model.problem
    h = problem.weigh(problem.curvature(eta))
    A = A * walls.moves
    extra = bend + (1.0 - walls.moves)
    if model.explicit:
        A = xp.concat([xp.ones_like(h)[:, None], A], axis=1)
        zero = xp.reshape(0.0 * slope, (1,))
        extra, force = xp.concat([zero, extra]), xp.concat([zero + slope, force])
    H = A.T @ (h[:, None] * A)
    H = H + xp.eye(extra.shape[0], dtype=H.dtype, device=device_of(H)) * extra
    scale = xp.linalg.diagonal(H) ** 0.5
    one = xp.eye(extra.shape[0], dtype=H.dtype, device=device_of(H))
    H = H / (scale[:, None] * scale[None, :]) + RIDGE * one
    d = cholesky_solve(H, -force / scale)
    if d is None:
        return None
    d = d / scale
    return (d[1:], d[0]) if model.explicit else (d, None)


def _search(model, line, distances, mu, falls, walls):
    """Return the longest of steps halved at which the merit falls, None without one."""
    w, b, d, e = line
    p, move = distances

    def merit(t):
        trial = model.at(w + t * d, b if e is None else b + t * e)
        barrier = float(model.xp.sum(model.xp.log(p + t * move)))
        return model.problem.loss_value(trial.eta) - mu * barrier

    start, t = merit(0.0), walls.reach(p, move)
    for _ in range(30):
        if merit(t) <= start + 1e-4 * t * falls + 1e-13 * abs(start):
            return t
        t *= 0.5
    return None
