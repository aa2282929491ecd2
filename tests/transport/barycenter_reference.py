"""Independent computations of barycentres, in plain NumPy and SciPy."""

import numpy as np
from scipy.optimize import brentq, minimize


def logsumexp(z, axis=None):
    top = z.max(axis=axis, keepdims=True)
    total = np.exp(z - top).sum(axis=axis, keepdims=True)
    return np.squeeze(np.log(total) + top, axis=axis)


def line(n):
    x = np.arange(float(n))
    return (x[:, None] - x) ** 2


def bump(n, mean, deviation):
    h = np.exp(-0.5 * ((np.arange(n) - mean) / deviation) ** 2)
    return h / h.sum()


def barycenter_by_dual(B, C, eps, w):
    """Maximise the smooth dual over all potentials but those that the sum fixes."""
    K, n = B.shape
    m = C.shape[1]

    def potentials(z):
        f, g = z[: K * n].reshape(K, n), z[K * n :].reshape(K - 1, m)
        last = -(w[:-1] @ g) / w[-1]
        return f, np.vstack([g, last])

    def loss(z):
        f, g = potentials(z)
        P = np.exp((f[:, :, None] + g[:, None, :] - C) / eps)
        value = -(w @ (B * f).sum(1)) + eps * (w @ P.sum((1, 2)))
        grad_f = w[:, None] * (P.sum(2) - B)
        cols = w[:, None] * P.sum(1)
        grad_g = cols[:-1] - w[:-1, None] * cols[-1] / w[-1]
        return value, np.concatenate([grad_f.ravel(), grad_g.ravel()])

    start = np.zeros(K * n + (K - 1) * m)
    options = {"maxiter": 50_000, "maxfun": 100_000, "ftol": 0.0, "gtol": 1e-13}
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", options={**options, "maxcor": 50}
    )
    f, g = potentials(found.x)
    P = np.exp((f[:, :, None] + g[:, None, :] - C) / eps)
    return w @ P.sum(1), -found.fun


def transport(b, p, C, eps, sweeps=80):
    """Return W(b, p) and the potential of p, by plain sweeps in the log domain."""
    g = np.zeros(len(p))
    for _ in range(sweeps):
        f = eps * (np.log(b) - logsumexp((g - C) / eps, axis=1))
        g = eps * (np.log(p) - logsumexp((f[:, None] - C) / eps, axis=0))
    return b @ f + p @ g - eps, g


def debiased_by_primal(B, C, eps, w):
    """Minimise sum_k w_k W(b_k, p) - W(p, p) / 2 over p = softmax(z)."""

    def loss(z):
        p = np.exp(z - logsumexp(z))
        value, slope = 0.0, 0.0
        for weight, b in zip(w, B, strict=True):
            W, g = transport(b, p, C, eps)
            value, slope = value + weight * W, slope + weight * g
        own, h = transport(p, p, C, eps)
        # Both potentials of W(p, p) depend on p: half of their sum is one of them, up
        # to constants, which the simplex does not feel.
        value, slope = value - 0.5 * own, slope - h
        return value, p * (slope - p @ slope)

    found = minimize(
        loss, np.zeros(C.shape[1]), jac=True, method="BFGS", options={"gtol": 1e-10}
    )
    return np.exp(found.x - logsumexp(found.x)), found.fun


def projections(B, C, eps, w, steps=2000):
    """Return the barycentre by plain Bregman projections in the log domain."""
    g = np.zeros((len(B), C.shape[1]))
    for _ in range(steps):
        f = np.log(B) - logsumexp(g[:, None, :] - C / eps, axis=2)
        q = logsumexp(f[:, :, None] - C / eps, axis=1)
        log_p = w @ q
        g = log_p - q
    return np.exp(log_p)


def gaussian_variance(variances, w, eps, debiased):
    """Return the variance of the barycentre of Gaussians on a line.

    Of squared distances: with c(a, s) = sqrt(eps^2 / 16 + a s) the optimality condition
    is s = eps / 4 + sum_k w_k c(a_k, s), and debiased c(s, s) = sum_k w_k c(a_k, s).
    """
    variances = np.asarray(variances)

    def excess(s):
        mean = w @ np.sqrt(eps**2 / 16 + variances * s)
        own = np.sqrt(eps**2 / 16 + s * s) if debiased else s - eps / 4
        return mean - own

    return brentq(excess, 1e-3, 1e6, xtol=1e-13)


def moments(p):
    """Return mean and variance of a histogram on a line."""
    x = np.arange(len(p))
    mean = p @ x
    return mean, p @ (x - mean) ** 2


def quantile_average(B, w, levels):
    """Return quantiles of the barycentre on a line without regularisation."""
    return sum(
        weight * np.searchsorted(np.cumsum(b), levels)
        for weight, b in zip(w, B, strict=True)
    )
