"""Directions on the unit sphere: independent, orthogonal, and spread evenly.

Symbols: L the number of directions, d the dimension, theta (L, d) with unit rows.

Every rule is random and each row of theta is uniform on the sphere, so that the mean of
a function over the rows is an unbiased estimate of its mean over the sphere. They
differ in how the rows depend on each other:

- ``random``: not at all.
- ``orthogonal``: rows come in blocks of d that are orthonormal (Haar), independent
  between blocks.
- ``qmc``: all rows together cover the sphere evenly. In the plane equal angles on half
  a circle with a random start; in three dimensions a Fibonacci lattice on half the
  sphere under a random rotation; above, scrambled Sobol points through the normal
  quantile function. The first two are for even functions, f(theta) = f(-theta), which
  need half of the sphere only.

Sources: Rowland et al., Orthogonal estimation of Wasserstein distances, AISTATS 2019;
K. Nguyen, N. Bariletto and N. Ho, Quasi-Monte Carlo for 3D sliced Wasserstein, ICLR
2024; F. Mezzadri, How to generate random matrices from the classical compact groups,
Notices of the AMS 54, 2007.
"""

import math

import numpy as np
from scipy.special import ndtri

SAMPLINGS = ("random", "orthogonal", "qmc")
# Largest dimension of the Sobol points of SciPy.
MAX_SOBOL = 21_201


def draw_directions(n_directions, dim, sampling, rng):
    """Return random directions.

    Parameters
    ----------
    n_directions : int
        L, at least 1.
    dim : int
        d, at least 1.
    sampling : {"random", "orthogonal", "qmc"}
        See the module's docstring.
    rng : numpy.random.Generator
        Where the randomness comes from.

    Returns
    -------
    theta : ndarray of shape (L, d)
        float64 unit rows.
    blocks : ndarray of shape (L,) or None
        Number of the independent block of each row; None where all rows depend on each
        other.
    """
    if sampling == "random":
        return _normalise(rng.standard_normal((n_directions, dim))), np.arange(
            n_directions
        )
    if sampling == "orthogonal":
        return _orthogonal(n_directions, dim, rng), np.arange(n_directions) // dim
    return _spread(n_directions, dim, rng), None


def haar_frame(dim, n_rows, rng):
    """Return random orthonormal rows, (n_rows, dim), n_rows at most dim."""
    q, r = np.linalg.qr(rng.standard_normal((dim, n_rows)))
    # The signs of R make the factorisation unique, and Q uniform (Mezzadri).
    return (q * np.where(np.diagonal(r) < 0, -1.0, 1.0)).T


def _orthogonal(n_directions, dim, rng):
    starts = range(0, n_directions, dim)
    return np.concatenate(
        [haar_frame(dim, min(dim, n_directions - start), rng) for start in starts]
    )


def _spread(n_directions, dim, rng):
    steps = np.arange(n_directions)
    if dim == 1:
        return np.ones((n_directions, 1))
    if dim == 2:
        angle = math.pi * (steps + rng.random()) / n_directions
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)
    if dim == 3:
        height = (steps + 0.5) / n_directions
        angle = math.pi * (3.0 - math.sqrt(5.0)) * steps
        radius = np.sqrt(1.0 - height**2)
        lattice = np.stack(
            [radius * np.cos(angle), radius * np.sin(angle), height], axis=1
        )
        return _normalise(lattice @ haar_frame(3, 3, rng))
    # scipy.stats takes longer to import than all else that this package needs of SciPy.
    from scipy.stats import qmc

    points = qmc.Sobol(dim, scramble=True, rng=rng).random_base2(
        max(math.ceil(math.log2(n_directions)), 0)
    )[:n_directions]
    # The quantile function is infinite at 0, which is a possible Sobol coordinate.
    return _normalise(ndtri(np.clip(points, 2.0**-54, 1.0 - 2.0**-53)))


def _normalise(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
