"""The losses once more, as plain formulas of one sample, and data for them."""

import numpy as np
from scipy.special import logsumexp

from skopt2.losses import (
    Expectile,
    Huber,
    HuberizedHinge,
    Logistic,
    Multinomial,
    Poisson,
    Quantile,
    Sparsemax,
    Squared,
    SquaredHinge,
)


def huber(y, eta, delta):
    r = np.abs(y - eta)
    return np.where(r <= delta, r**2 / 2, delta * r - delta**2 / 2)


def pinball(y, eta, q):
    return np.maximum(q * (y - eta), (q - 1) * (y - eta))


def smooth_pinball(y, eta, q, h):
    r = y - eta
    bowl = r**2 / (4 * h) + h / 4 + (q - 0.5) * r
    return np.where(np.abs(r) <= h, bowl, pinball(y, eta, q))


def huberized_hinge(y, eta, delta):
    m = y * eta
    linear = 1 - m - delta / 2
    return np.where(
        m > 1, 0, np.where(m > 1 - delta, (1 - m) ** 2 / (2 * delta), linear)
    )


def sparsemax(y, eta):
    """Return the loss from the projection of each row, by its sorted entries."""
    z = -np.sort(-eta, axis=1)
    k = np.arange(1, z.shape[1] + 1)
    size = (1 + k * z > np.cumsum(z, axis=1)).sum(axis=1)
    tau = (np.cumsum(z, axis=1)[np.arange(len(z)), size - 1] - 1) / size
    inside = eta > tau[:, None]
    squares = np.where(inside, eta**2 - tau[:, None] ** 2, 0).sum(axis=1)
    return squares / 2 + (y**2).sum(axis=1) / 2 - (y * eta).sum(axis=1)


SCALAR = {
    "squared": (Squared(), lambda y, eta: (y - eta) ** 2 / 2),
    "huber": (Huber(0.8), lambda y, eta: huber(y, eta, 0.8)),
    "quantile": (Quantile(0.3), lambda y, eta: pinball(y, eta, 0.3)),
    "smooth quantile": (
        Quantile(0.3, smoothing=0.5),
        lambda y, eta: smooth_pinball(y, eta, 0.3, 0.5),
    ),
    "expectile": (
        Expectile(0.8),
        lambda y, eta: np.where(y > eta, 0.8, 1 - 0.8) * (y - eta) ** 2,
    ),
    "poisson": (Poisson(), lambda y, eta: np.exp(eta) - y * eta),
    "logistic": (Logistic(), lambda y, eta: np.logaddexp(0, -y * eta)),
    "squared_hinge": (
        SquaredHinge(),
        lambda y, eta: np.maximum(0, 1 - y * eta) ** 2,
    ),
    "huberized_hinge": (
        HuberizedHinge(),
        lambda y, eta: huberized_hinge(y, eta, 2.0),
    ),
    "steep huberized_hinge": (
        HuberizedHinge(0.2),
        lambda y, eta: huberized_hinge(y, eta, 0.2),
    ),
}
MULTINOMIAL = (
    Multinomial(),
    lambda y, eta: logsumexp(eta, axis=1) - (y * eta).sum(axis=1),
)
ALL = SCALAR | {"multinomial": MULTINOMIAL, "sparsemax": (Sparsemax(), sparsemax)}
SMOOTH = [name for name in ALL if name != "quantile"]


def data(loss, rng, n=60):
    """Targets, linear predictors and weights, one weight 0."""
    if loss.task == "multiclass":
        y = np.eye(3)[rng.integers(0, 3, n)]
        eta = 2 * rng.standard_normal((n, 3))
    else:
        eta = 2 * rng.standard_normal(n)
        if loss.task == "binary":
            y = np.where(rng.random(n) < 0.6, 1.0, -1.0)
        elif loss.name == "poisson":
            y = rng.poisson(1.5, n).astype(float)
        else:
            y = 2 * rng.standard_normal(n)
    s = rng.uniform(0.5, 2, n)
    s[0] = 0
    return y, eta, s / s.sum()
