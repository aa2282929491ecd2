"""Control variates for means over the unit sphere.

Problem: estimate mu = E w(theta), theta uniform on the sphere of R^d, from the values
w_l at L directions.

Symbols: w (L,) values; theta (L, d); h (L, k) controls, functions of theta whose mean
over the sphere is exactly 0. The least-squares regression w_l ~ mu + h_l' gamma has an
intercept whose variance is that of the part of w outside the span of the controls. With
one control it is mean(w) - cov(w, h) / var(h) mean(h).

Controls of the squared Wasserstein distance of two projected measures with means m1,
m2 and covariances S1, S2:

- lower: (theta'(m1 - m2))^2, the distance of the projections of the nearest Gaussians
  of equal covariance, less its mean abs(m1 - m2)^2 / d.
- upper: the same plus theta'(S1 + S2) theta, less its mean plus tr(S1 + S2) / d.
- spherical harmonics: all polynomials in theta of even degree up to q, which the
  harmonics of those degrees span. Their number grows with d^q; they suit small d.

Fitting gamma to the values that it corrects gives a bias of order k / L times the part
of w outside the span, which vanishes faster than the standard error.

Sources: K. Nguyen and N. Ho, Sliced Wasserstein estimation with control variates, ICLR
2024 (lower and upper); R. Leluc, A. Dieuleveut, F. Portier, J. Segers and A. Zhuman,
Sliced-Wasserstein estimation with spherical harmonics as control variates, ICML 2024.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np

# Values for each harmonic: fewer make the intercept of the regression noisy.
VALUES_PER_HARMONIC = 4
# In the plane the values are few-harmonic functions long before this degree.
MAX_DEGREE = {2: 32}
MAX_DEGREE_ABOVE = 8


@dataclass(frozen=True)
class SphereMean:
    """Estimate of the mean of a function over the sphere.

    Parameters
    ----------
    value : float
        The estimate.
    variance : float or None
        Estimated variance of ``value``; None where the directions have no independent
        parts to estimate it from.
    reduction : float or None
        Estimated variance of the plain mean divided by ``variance``.
    """

    value: float
    variance: float | None
    reduction: float | None


def gaussian_control(theta, shift, spread=None, trace=0.0):
    """Return the lower control, or the upper one if there is a spread, (L, 1).

    Parameters
    ----------
    theta : ndarray of shape (L, d)
        Directions.
    shift : ndarray of shape (d,)
        m1 - m2.
    spread : ndarray of shape (L,), default=None
        theta'(S1 + S2) theta of each direction.
    trace : float, default=0.0
        tr(S1 + S2).

    Returns
    -------
    control : ndarray of shape (L, 1)
        With mean 0 over the sphere.
    """
    control = (theta @ shift) ** 2 - (shift @ shift + trace) / theta.shape[1]
    if spread is not None:
        control += spread
    return control[:, None]


def n_harmonics(dim, degree):
    """Return how many controls there are of even degree 2 to ``degree``."""
    return math.comb(dim + degree - 1, degree) - 1


def harmonic_degree(n_directions, dim):
    """Return the largest even degree that so many directions afford; 0 if none."""
    largest = MAX_DEGREE.get(dim, MAX_DEGREE_ABOVE)
    affordable = [
        degree
        for degree in range(2, largest + 1, 2)
        if VALUES_PER_HARMONIC * n_harmonics(dim, degree) <= n_directions
    ]
    return max(affordable, default=0)


def harmonic_controls(theta, degree):
    """Return a basis of the span of the even harmonics of degree 2 to ``degree``.

    Parameters
    ----------
    theta : ndarray of shape (L, d)
        Directions, d at least 2.
    degree : int
        Even, at least 2.

    Returns
    -------
    controls : ndarray of shape (L, k)
        With means 0 over the sphere. For d > 2 the monomials of that degree: on the
        sphere they span all polynomials of lower even degree too. One of the
        k = n_harmonics + 1 columns is redundant.
    """
    dim = theta.shape[1]
    if dim == 2:
        angle = np.arctan2(theta[:, 1], theta[:, 0])[:, None]
        order = np.arange(2, degree + 1, 2)
        return np.concatenate([np.cos(order * angle), np.sin(order * angle)], axis=1)
    powers = [
        np.bincount(chosen, minlength=dim)
        for chosen in itertools.combinations_with_replacement(range(dim), degree)
    ]
    controls = np.empty((theta.shape[0], len(powers)))
    for column, exponents in enumerate(powers):
        used = np.flatnonzero(exponents)
        monomial = np.prod(theta[:, used] ** exponents[used], axis=1)
        controls[:, column] = monomial - sphere_moment(exponents)
    return controls


def sphere_moment(exponents):
    """Return the mean over the sphere of prod_i theta_i^(k_i), d the length of k."""
    if any(k % 2 for k in exponents):
        return 0.0
    odd_products = math.prod(math.prod(range(1, int(k), 2)) for k in exponents)
    dim, total = len(exponents), int(sum(exponents))
    return odd_products / math.prod(range(dim, dim + total, 2))


def controlled_mean(values, controls=None, blocks=None):
    """Return the regression estimate of the mean over the sphere.

    Parameters
    ----------
    values : ndarray of shape (L,)
        w.
    controls : ndarray of shape (L, k), default=None
        h; None for the plain mean.
    blocks : ndarray of shape (L,), default=None
        Independent block of each value, nondecreasing from 0; None if there are none,
        and hence no variance.

    Returns
    -------
    mean : SphereMean
        Estimate and its variance, by leaving out one block at a time: residuals of the
        fitted values alone are too small where the controls are many.
    """
    ones = np.full((values.size, 1), 1.0 / math.sqrt(values.size))
    value, variance = _intercept(values, ones, blocks)
    reduction = None if variance is None else 1.0
    if controls is not None:
        plain_variance = variance
        size = np.linalg.norm(controls, axis=0)
        used = size > 0
        design = np.concatenate([ones, controls[:, used] / size[used]], axis=1)
        value, variance = _intercept(values, design, blocks)
        if variance is not None and plain_variance > 0:
            reduction = plain_variance / variance if variance > 0 else math.inf
    return SphereMean(value, variance, reduction)


def _intercept(values, design, blocks):
    """Return the coefficient of the first column as a mean, and its variance."""
    left, singular, right = np.linalg.svd(design, full_matrices=False)
    kept = singular > singular[0] * values.size * np.finfo(np.float64).eps
    left, singular, right = left[:, kept], singular[kept], right[kept]
    # The intercept is a weighted sum of the values with these weights.
    weights = left @ (right[:, 0] / singular) / math.sqrt(values.size)
    value = float(weights @ values)
    if blocks is None or blocks[-1] < 1 or values.size <= singular.size:
        return value, None
    residual = values - left @ (left.T @ values)
    n_blocks = int(blocks[-1]) + 1
    if n_blocks == values.size:
        change = weights * residual / (1.0 - np.einsum("ij,ij->i", left, left))
    else:
        change = np.empty(n_blocks)
        ends = np.searchsorted(blocks, np.arange(n_blocks + 1))
        for block, (start, stop) in enumerate(itertools.pairwise(ends)):
            part = left[start:stop]
            outside = np.eye(stop - start) - part @ part.T
            change[block] = weights[start:stop] @ np.linalg.solve(
                outside, residual[start:stop]
            )
    return value, float((n_blocks - 1) / n_blocks * (change @ change))
