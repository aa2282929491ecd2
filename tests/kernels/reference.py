"""Kernels written once more, in float64, from differences and never from products."""

import math

import numpy as np

from skopt2.kernels import (
    Cauchy,
    ExponentialPower,
    Gaussian,
    Laplacian,
    Matern,
    RationalQuadratic,
)


def distances(X, Y, length_scale):
    """Return scaled distances between all rows."""
    X, Y = np.asarray(X, dtype=np.float64), np.asarray(Y, dtype=np.float64)
    difference = (X[:, None, :] - Y[None, :, :]) / np.asarray(length_scale)
    return np.sqrt((difference**2).sum(axis=2))


# Kernel and its formula in the scaled distance r.
RADIAL = {
    "gaussian": (Gaussian(), lambda r: np.exp(-0.5 * r * r)),
    "laplacian": (Laplacian(), lambda r: np.exp(-r)),
    "cauchy": (Cauchy(), lambda r: 1 / (1 + r * r)),
    "exponential_power-0.5": (ExponentialPower(0.5), lambda r: np.exp(-np.sqrt(r))),
    "exponential_power-1": (ExponentialPower(1), lambda r: np.exp(-r)),
    "exponential_power-1.3": (ExponentialPower(1.3), lambda r: np.exp(-(r**1.3))),
    "exponential_power-2": (ExponentialPower(2), lambda r: np.exp(-r * r)),
    "matern-0.5": (Matern(0.5), lambda r: np.exp(-r)),
    "matern-1.5": (
        Matern(1.5),
        lambda r: (1 + math.sqrt(3) * r) * np.exp(-math.sqrt(3) * r),
    ),
    "matern-2.5": (
        Matern(2.5),
        lambda r: (1 + math.sqrt(5) * r + 5 * r * r / 3) * np.exp(-math.sqrt(5) * r),
    ),
    "matern-inf": (Matern(math.inf), lambda r: np.exp(-0.5 * r * r)),
    "rational_quadratic-0.6": (
        RationalQuadratic(0.6),
        lambda r: (1 + r * r / 1.2) ** -0.6,
    ),
    "rational_quadratic-17": (
        RationalQuadratic(17.0),
        lambda r: (1 + r * r / 34) ** -17.0,
    ),
}
PROFILES = {name: formula for name, (_, formula) in RADIAL.items()}


def neural_tangent(x, y, depth, bias):
    """Return the kernel of two points by the recursion over covariances.

    The covariance matrix of both points goes through the layers as it stands in the
    definition, with no use of homogeneity.
    """
    points = (np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64))
    covariance = np.array([[a @ b for b in points] for a in points])
    tangent = covariance[0, 1] + bias**2
    for _ in range(depth):
        scale = math.sqrt(covariance[0, 0] * covariance[1, 1])
        cosine = min(1.0, max(-1.0, covariance[0, 1] / scale))
        angle = math.acos(cosine)
        value = scale * (math.sin(angle) + (math.pi - angle) * cosine) / math.pi
        slope = (math.pi - angle) / math.pi
        covariance = np.array([[covariance[0, 0], value], [value, covariance[1, 1]]])
        tangent = tangent * slope + value + bias**2
    return tangent
