"""The problems of this package in plain NumPy, sharing no code with it.

F(w, b) = sum_i s_i l(y_i, x_i'w + b) + sum_j pen(w_j; alpha * factor_j), with the
default parameters of every loss and penalty. Shapes: w (p,) or (p, K), y coded as -1
and 1 for two classes and one-hot for several.
"""

import numpy as np


def _softplus(x):
    return np.logaddexp(0.0, x)


def _huber(r, delta=1.35):
    a = np.abs(r)
    return np.where(a <= delta, r * r / 2, delta * a - delta * delta / 2)


def _rounded_hinge(m, delta=2.0):
    tail = 1 - m - delta / 2
    return np.where(m > 1, 0.0, np.where(m > 1 - delta, (1 - m) ** 2 / 2 / delta, tail))


def _softmax(eta):
    parts = np.exp(eta - eta.max(axis=1, keepdims=True))
    return parts / parts.sum(axis=1, keepdims=True)


# Loss and its derivative in eta, sample by sample.
LOSSES = {
    "squared": (lambda y, e: (y - e) ** 2 / 2, lambda y, e: e - y),
    "huber": (lambda y, e: _huber(e - y), lambda y, e: np.clip(e - y, -1.35, 1.35)),
    "poisson": (lambda y, e: np.exp(e) - y * e, lambda y, e: np.exp(e) - y),
    "logistic": (
        lambda y, e: _softplus(-y * e),
        lambda y, e: -y / (1 + np.exp(np.minimum(y * e, 700))),
    ),
    "squared_hinge": (
        lambda y, e: np.maximum(1 - y * e, 0) ** 2,
        lambda y, e: -2 * y * np.maximum(1 - y * e, 0),
    ),
    "huberized_hinge": (
        lambda y, e: _rounded_hinge(y * e),
        lambda y, e: -y * np.clip((1 - y * e) / 2, 0, 1),
    ),
    "multinomial": (
        lambda y, e: np.logaddexp.reduce(e, axis=1) - (e * y).sum(axis=1),
        lambda y, e: _softmax(e) - y,
    ),
}


def _mcp(a, lam, gamma=3.0):
    return np.where(a <= gamma * lam, lam * a - a * a / 2 / gamma, gamma * lam**2 / 2)


def _scad(a, lam, gamma=3.7):
    bent = (2 * gamma * lam * a - a * a - lam * lam) / 2 / (gamma - 1)
    flat = lam * lam * (gamma + 1) / 2
    return np.where(a <= lam, lam * a, np.where(a <= gamma * lam, bent, flat))


# Penalty of a = |w|, and its derivative in a on a >= 0; at 0 that from the right.
PENALTIES = {
    "l1": (lambda a, lam: lam * a, lambda a, lam: lam + 0 * a),
    "elasticnet": (
        lambda a, lam: lam * (0.5 * a + 0.25 * a * a),
        lambda a, lam: lam * (0.5 + 0.5 * a),
    ),
    "mcp": (_mcp, lambda a, lam: np.maximum(lam - a / 3.0, 0)),
    "scad": (
        _scad,
        lambda a, lam: np.minimum(lam, np.maximum(3.7 * lam - a, 0) / 2.7),
    ),
    "log_sum": (
        lambda a, lam: lam * 0.1 * np.log1p(a / 0.1),
        lambda a, lam: lam * 0.1 / (0.1 + a),
    ),
    "transformed_l1": (
        lambda a, lam: lam * a / (1 + a),
        lambda a, lam: lam / (1 + a) ** 2,
    ),
}


def encode(loss, y):
    """Return the target of the formulas above for labels or a regression target."""
    if loss == "multinomial":
        return (y[:, None] == np.unique(y)).astype(float)
    if loss in ("logistic", "squared_hinge", "huberized_hinge"):
        return np.where(y == np.unique(y)[1], 1.0, -1.0)
    return y


def levels(alpha, factor, w):
    """Return alpha * factor in a shape that broadcasts to w; inf stays inf."""
    factor = np.ones(w.shape[0]) if factor is None else np.asarray(factor, float)
    lam = np.where(
        np.isinf(factor), np.inf, alpha * np.where(factor < 1e300, factor, 1)
    )
    return lam if w.ndim == 1 else lam[:, None]


def weights(sample_weight, n):
    """Return sample weights with sum 1."""
    s = np.ones(n) if sample_weight is None else np.asarray(sample_weight, float)
    return s / s.sum()


def objective(loss, penalty, X, y, w, b, alpha, *, sample_weight=None, factor=None):
    """Return F(w, b) for a target as :func:`encode` returns it."""
    s = weights(sample_weight, len(y))
    lam = np.broadcast_to(levels(alpha, factor, w), w.shape)
    used, rows = w != 0, s > 0
    penalised = PENALTIES[penalty][0](np.abs(w[used]), lam[used]).sum()
    loss_value = s[rows] @ LOSSES[loss][0](y[rows], X[rows] @ w + b)
    return float(loss_value + penalised)


def gradient(loss, X, y, w, b, *, sample_weight=None):
    """Return the gradient of the loss in w and in b."""
    s = weights(sample_weight, len(y))
    rows = s > 0
    X, y, s = X[rows], y[rows], s[rows]
    slope = LOSSES[loss][1](y, X @ w + b)
    slope = slope * (s if slope.ndim == 1 else s[:, None])
    return X.T @ slope, slope.sum(axis=0)


def violation(
    loss,
    penalty,
    X,
    y,
    w,
    b,
    alpha,
    *,
    sample_weight=None,
    factor=None,
    positive=False,
    fit_intercept=True,
):
    """Return the largest violation of the optimality conditions, intercept included."""
    g, g0 = gradient(loss, X, y, w, b, sample_weight=sample_weight)
    lam = np.broadcast_to(levels(alpha, factor, w), w.shape)
    shut = np.isinf(lam)
    assert not w[shut].any()
    slope = PENALTIES[penalty][1](np.abs(w), np.where(shut, 1.0, lam))
    force = -g if positive else np.abs(g)
    at_zero = np.maximum(force - slope, 0)
    distance = np.where(w == 0, at_zero, np.abs(g + np.sign(w) * slope))
    distance = np.where(shut, 0.0, distance)
    if positive:
        assert (w >= 0).all()
    worst = float(distance.max(initial=0.0))
    return max(worst, float(np.abs(g0).max())) if fit_intercept else worst


def coordinate_descent(penalty, X, y, alpha, w, *, sweeps=20000, tol=1e-13):
    """Minimise the squared loss without intercept from w, one coordinate at a time.

    The update is the exact minimiser over a coordinate with curvature h: that of the
    penalty scaled by 1 / h.
    """
    n, p = X.shape
    h = (X * X).sum(axis=0) / n
    w = w.copy()
    r = y - X @ w
    for _ in range(sweeps):
        largest = 0.0
        for j in range(p):
            if h[j] == 0:
                continue
            z = w[j] + X[:, j] @ r / n / h[j]
            new = _scalar_prox(penalty, z, 1 / h[j], alpha)
            if new != w[j]:
                r += X[:, j] * (w[j] - new)
                largest = max(largest, abs(new - w[j]) * h[j] ** 0.5)
                w[j] = new
        if largest <= tol:
            break
    return w


def _scalar_prox(penalty, z, step, lam):
    """Return the best of the stationary points of (v - z)^2 / 2 step + pen(v)."""
    a = abs(z)
    soft = max(a - step * lam, 0.0)
    points = [0.0, soft]
    if penalty == "elasticnet":
        points = [0.0, max(a - step * lam * 0.5, 0.0) / (1 + step * lam * 0.5)]
    elif penalty == "mcp":
        points = [0.0, a] + ([soft / (1 - step / 3.0)] if step < 3.0 else [])
    elif penalty == "scad":
        points += [a]
        if step < 2.7:
            points.append(max(2.7 * a - step * 3.7 * lam, 0.0) / (2.7 - step))
    value = PENALTIES[penalty][0]
    costs = [(v - a) ** 2 / 2 / step + float(value(np.float64(v), lam)) for v in points]
    return float(np.copysign(points[int(np.argmin(costs))], z))
