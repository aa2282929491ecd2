"""Objectives of transport plans, and their smallest values by other programs."""

import numpy as np
from scipy.optimize import linprog, minimize

from skopt2.transport import (
    GroupLassoObjective,
    LinearObjective,
    QuadraticObjective,
)

KINDS = ["linear", "quadratic", "group_lasso"]


def squared_distances(n, m, seed=0):
    rng = np.random.default_rng(seed)
    X, Y = rng.random((n, 2)), rng.random((m, 2))
    return ((X[:, None] - Y[None, :]) ** 2).sum(axis=-1)


def masses(n, seed=0):
    share = np.random.default_rng(seed).random(n) + 0.1
    return share / share.sum()


def make_objective(kind, cost, module=np.asarray):
    cost = module(cost)
    if kind == "linear":
        return LinearObjective(cost)
    if kind == "quadratic":
        return QuadraticObjective(cost, strength=5.0)
    return GroupLassoObjective(cost, groups=np.arange(cost.shape[0]) % 3, strength=0.1)


def marginal_constraints(n, m):
    rows = np.kron(np.eye(n), np.ones(m))
    columns = np.kron(np.ones(n), np.eye(m))
    return np.concatenate([rows, columns])


def program_value(cost, a, b):
    """Return the smallest <P, cost> by HiGHS."""
    found = linprog(
        cost.ravel(),
        A_eq=marginal_constraints(*cost.shape),
        b_eq=np.concatenate([a, b]),
        method="highs",
    )
    return found.fun


def quadratic_value(cost, a, b, strength):
    """Return the smallest <P, cost> + strength / 2 |P|^2 from its smooth dual."""
    n = a.size

    def negative_dual(z):
        excess = np.maximum(z[:n, None] + z[None, n:] - cost, 0.0) / strength
        value = a @ z[:n] + b @ z[n:] - 0.5 * strength * (excess**2).sum()
        gradient = np.concatenate([a - excess.sum(axis=1), b - excess.sum(axis=0)])
        return -value, -gradient

    options = {"maxiter": 20_000, "maxfun": 50_000, "ftol": 1e-15, "gtol": 1e-12}
    found = minimize(
        negative_dual,
        np.zeros(n + b.size),
        jac=True,
        method="L-BFGS-B",
        options=options,
    )
    return -found.fun
