"""One Newton step on the coordinates around which the penalty is smooth.

Problem: min f(w, b) + pen(w), of which S holds the coordinates with w_j != 0, not at a
bound. There (H + C) d = -(grad f + pen'(w))_S, H the Hessian of f on S (and the
intercept), C = diag(pen''(w_j)), possibly negative.

The step is cut where a coordinate would cross the kink of its penalty at 0, and halved
until the objective falls. Once a proximal gradient method has found the pieces of all
coordinates, it only has a smooth problem left to solve, at its own linear rate; Newton
ends that in one step for a quadratic loss and in a few for others.

Small supports are solved by a Cholesky factor of H + C, others, those of sparse X and
of several outputs by conjugate gradients.

Source: J. Lee, Y. Sun and M. Saunders, Proximal Newton-type methods for minimizing
composite functions, SIAM J. Optimization 24, 2014, section 3; J. Nutini, I. Laradji and
M. Schmidt, JMLR 23:131, 2022, section 6.
"""

from skopt2._core.array import cholesky_solve, device_of, flatnonzero, put, take

# The largest support that is solved by a factorisation.
DENSE_LIMIT = 2000
CG_LIMIT = 100
# What is added to a matrix with unit diagonal until it is positive definite: losses
# that are linear in places leave directions without curvature.
RIDGES = (0.0, 1e-6, 1e-3, 1e-1)
# Curvature, relative to that of the preconditioner, that counts as none.
FLAT = 1e-9


def newton_step(model, point, lam, ceiling, free=None):
    """Return the point after a Newton step and its objective, None if it is too high.

    Waits for the device: for the size of the support, and once per trial.

    Parameters
    ----------
    model : CompositeModel
        The problem.
    point : Point
        Where to start.
    lam : array of shape (m,) or (m, 1)
        Levels.
    ceiling : float
        Objective not to exceed.
    free : array of bool of the shape of w, default=None
        Coordinates to move, those around which the penalty is smooth by default.
    """
    xp = model.xp
    free = model.penalty.free(point.w, lam) if free is None else free
    rows = free if free.ndim == 1 else xp.any(free, axis=1)
    index = flatnonzero(rows)
    k = index.shape[0]
    if k == 0 and not model.explicit:
        return None
    g, slope = model.gradient(point.eta)
    force = xp.where(free, g + model.penalty.derivative(point.w, lam), 0.0)
    C = take(xp.where(free, model.penalty.curvature(point.w, lam), 0.0), index)
    rhs = -take(force, index)
    dense = model.K == 1 and not model.problem.design.sparse
    if dense and k <= min(DENSE_LIMIT, point.eta.shape[0]):
        solved = _factorised(model, point, index, rhs, slope, C)
    else:
        mask = take(xp.astype(free, point.w.dtype), index)
        solved = _conjugate_gradients(model, point, index, rhs, slope, C, mask)
    if solved is None:
        return None
    d, e = solved
    return _search(model, point, lam, ceiling, index, d, e)


def _factorised(model, point, index, rhs, slope, C):
    """Solve by Cholesky; None if H + C is not positive definite."""
    xp, problem = model.xp, model.problem
    A = model.columns(index)
    h = problem.weigh(problem.curvature(point.eta))
    if model.explicit:
        A = xp.concat([xp.ones_like(h)[:, None], A], axis=1)
        zero = xp.reshape(0.0 * slope, (1,))
        C = xp.concat([zero, C])
        rhs = xp.concat([zero - slope, rhs])
    H = A.T @ (h[:, None] * A)
    diagonal = xp.linalg.diagonal(H)
    # Columns of equal length, or the factor of badly scaled ones is rounding error.
    root = xp.where(diagonal > 0.0, diagonal, xp.ones_like(diagonal)) ** 0.5
    H = H / (root[:, None] * root[None, :])
    one = xp.eye(C.shape[0], dtype=H.dtype, device=device_of(H))
    C = C / (root * root)
    for ridge in RIDGES:
        d = cholesky_solve(H + one * (C + ridge), rhs / root)
        if d is not None:
            d = d / root
            return (d[1:], d[0]) if model.explicit else (d, None)
    return None


def _conjugate_gradients(model, point, index, rhs, slope, C, mask):
    """Solve approximately; the iteration ends where it meets negative curvature.

    Only every tenth iteration waits for the device.
    """
    xp, problem = model.xp, model.problem
    A, mean = model.columns(index), None
    if model.means is not None and problem.design.sparse:
        mean = take(model.means, index)
    curvature = problem.curvature(point.eta)

    def times(v, u):
        eta = A @ v
        if mean is not None:
            eta = eta - mean @ v
        bent = problem.curvature_product(curvature, eta + u if model.explicit else eta)
        total = xp.sum(bent, axis=0)
        out = A.T @ bent
        if mean is not None:
            out = out - (mean * total if v.ndim == 1 else mean[:, None] * total)
        return mask * out + C * v, total if model.explicit else u

    bend = xp.sum(xp.abs(problem.mean_curvature(curvature)))
    scale = take(model.metric, index) * bend
    scale = xp.where(scale + C > 0.1 * scale, scale + C, scale)
    shift = xp.where(bend > 0, bend, xp.ones_like(bend))
    scale = xp.where(scale > 0, scale, xp.ones_like(scale))
    r, q = rhs, -slope + 0.0 * point.b
    x, u = xp.zeros_like(r), xp.zeros_like(q)
    z, y = r / scale, q / shift
    p, v = z, y
    rz = xp.sum(r * z) + xp.sum(q * y)
    goal = 1e-20 * float(rz)
    alive = rz > 0.0
    for count in range(CG_LIMIT):
        Hp, Hv = times(p, v)
        bent = xp.sum(p * Hp) + xp.sum(v * Hv)
        # Adding a constant to the intercepts of all classes changes nothing: rounding
        # errors in such directions, divided by their curvature, would be all there is.
        size = xp.sum(p * p * scale) + xp.sum(v * v * shift)
        alive = alive & (bent > FLAT * size)
        step = xp.where(alive, rz / xp.where(alive, bent, xp.ones_like(bent)), 0.0 * rz)
        x, u = x + step * p, u + step * v
        r, q = r - step * Hp, q - step * Hv
        z, y = r / scale, q / shift
        fresh = xp.sum(r * z) + xp.sum(q * y)
        grow = fresh / xp.where(rz > 0, rz, xp.ones_like(rz))
        p, v, rz = z + grow * p, y + grow * v, fresh
        if count % 10 == 9 and not (bool(alive) and float(rz) > goal):
            break
    return (x, u) if model.explicit else (x, None)


def _search(model, point, lam, ceiling, index, d, e):
    """Backtrack along the direction; None if nothing is gained."""
    xp, penalty = model.xp, model.penalty
    start = take(point.w, index)
    kink = take(penalty.slope_at_zero(lam), index) > 0.0
    t = 1.0
    for _ in range(5):
        end = start + t * d
        end = xp.where(kink & (end * start < 0.0), 0.0 * end, end)
        w = put(xp.asarray(point.w, copy=True), index, end)
        if penalty.bounds is not None:
            # At level 0 the prox of a bounded penalty is the projection.
            w = penalty.prox(w, 1.0, xp.where(xp.isinf(lam), lam, xp.zeros_like(lam)))
        trial = model.at(w, point.b if e is None else point.b + t * e)
        reached = model.objective(trial, lam)
        if reached <= ceiling:
            return trial, reached
        t *= 0.5
    return None
