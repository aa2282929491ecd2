"""The penalties once more, as plain formulas of one coefficient."""

import numpy as np

from skopt2.penalties import (
    L0,
    L1,
    MCP,
    SCAD,
    AdaptiveL1,
    Box,
    ElasticNet,
    LogSum,
    Lq,
    TransformedL1,
)


def mcp(a, lam, gamma):
    bent = lam * a - a**2 / (2 * gamma)
    return np.where(a <= gamma * lam, bent, gamma * lam**2 / 2)


def scad(a, lam, gamma):
    bent = (2 * gamma * lam * a - a**2 - lam**2) / (2 * (gamma - 1))
    flat = np.where(a <= gamma * lam, bent, (gamma + 1) * lam**2 / 2)
    return np.where(a <= lam, lam * a, flat)


# Object and formula in a = abs(w) and a finite lam.
SYMMETRIC = {
    "l1": (L1(), lambda a, lam: lam * a),
    "adaptive_l1": (AdaptiveL1(), lambda a, lam: lam * a),
    "elasticnet": (
        ElasticNet(0.3),
        lambda a, lam: lam * (0.3 * a + 0.35 * a**2),
    ),
    "ridge": (ElasticNet(0.0), lambda a, lam: lam * a**2 / 2),
    "lasso": (ElasticNet(1.0), lambda a, lam: lam * a),
    "mcp": (MCP(2.5), lambda a, lam: mcp(a, lam, 2.5)),
    "mcp steep": (MCP(1.2), lambda a, lam: mcp(a, lam, 1.2)),
    "scad": (SCAD(3.7), lambda a, lam: scad(a, lam, 3.7)),
    "scad steep": (SCAD(2.1), lambda a, lam: scad(a, lam, 2.1)),
    "l_half": (Lq(0.5), lambda a, lam: lam * np.sqrt(a)),
    "l_two_thirds": (Lq(2 / 3), lambda a, lam: lam * np.cbrt(a) ** 2),
    "log_sum": (LogSum(0.1), lambda a, lam: lam * 0.1 * np.log(1 + a / 0.1)),
    "log_sum wide": (LogSum(5.0), lambda a, lam: lam * 5 * np.log(1 + a / 5)),
    "transformed_l1": (TransformedL1(1.0), lambda a, lam: lam * a / (1 + a)),
    "transformed_l1 steep": (
        TransformedL1(0.1),
        lambda a, lam: lam * 0.1 * a / (0.1 + a),
    ),
    "l0": (L0(), lambda a, lam: lam * (a > 0)),
}
SMOOTH_SIDES = [name for name in SYMMETRIC if name != "l0"]
BOX = Box(-0.5, 2.0)


def cases(rng, n=400):
    """Random points, steps and levels; levels 0 and inf and long steps among them."""
    z = rng.standard_normal(n) * 10 ** rng.uniform(-1, 1, n)
    z[:: n // 8] = 0.0
    step = 10 ** rng.uniform(-2, 1.5, n)
    lam = 10 ** rng.uniform(-2, 0.7, n)
    lam[1::13] = 0.0
    lam[2::13] = np.inf
    return z, step, lam
