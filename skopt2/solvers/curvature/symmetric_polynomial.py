"""Preconditioners that are symmetric polynomials of a matrix, by products only.

Problem: for B (k, k) positive semidefinite with eigenvalues e_1 >= ... >= e_k, and
sigma_t the elementary symmetric polynomial of degree t of them, the preconditioner of
order t is

    P_t = sum_{i <= t} (-1)^i sigma_{t-i} B^i = sigma_t I - B P_{t-1},    P_0 = I,

so P_1 = tr(B) I - B. Its eigenvalue beside e_j is the symmetric polynomial of degree t
of the other eigenvalues, which is positive, and that of P_t B differs from direction to
direction by what is not among the t largest: their size no longer counts.

The sigma follow from the moments m_i = tr(B^i) = sum_j e_j^i by Newton's identities,
t sigma_t = sum_{i=1..t} (-1)^(i-1) sigma_{t-i} m_i. The moments are those of the matrix
where it is small, and estimated with random signs z as means of z'B^i z where it is
not, which takes products only.

Source: N. Doikov and A. Rodomanov, Polynomial preconditioning for gradient methods,
ICML 2023, sections 3 and 4; M. F. Hutchinson, A stochastic estimator of the trace of
the influence matrix, Communications in Statistics 19, 1990.
"""

import numpy as np

from skopt2._core.array import asarray_like, sum64

# The smaller side of the data up to which moments are exact, and random probes beyond.
EXACT, PROBES = 400, 20


def moments(times, size, order, like, seed=0):
    """Return tr(B^i), i = 1..order, as a list of floats.

    Parameters
    ----------
    times : callable
        Product of B with columns (size, c).
    size : int
        Rows of B.
    order : int
        Largest power.
    like : array
        Example of the namespace, the device and the dtype.
    seed : int, default=0
        Of the probes.
    """
    if size <= EXACT:
        probes, share = np.eye(size), 1.0
    else:
        signs = np.random.default_rng(seed).integers(0, 2, (size, PROBES))
        probes, share = 2.0 * signs - 1.0, 1.0 / PROBES
    powers = [asarray_like(probes, like)]
    for _ in range((order + 1) // 2):
        powers.append(times(powers[-1]))
    # B is symmetric: z'B^i z is the product of two lower powers.
    return [
        share * sum64(powers[i // 2] * powers[i - i // 2]) for i in range(1, order + 1)
    ]


def symmetric_polynomials(moments):
    """Return sigma_0 .. sigma_t for moments m_1 .. m_t, none of them negative."""
    sigma = [1.0]
    for t in range(1, len(moments) + 1):
        total = 0.0
        for i in range(1, t + 1):
            total += (-1.0) ** (i - 1) * sigma[t - i] * moments[i - 1]
        sigma.append(max(total / t, 0.0))
    return sigma


def truncated(sigma, least):
    """Return sigma_0 .. sigma_t for the largest t that is of use.

    With no more than t eigenvalues that are not 0 all that is left of P_t is rounding:
    sigma_{t+1} has to be more than a share of sigma_t.

    Parameters
    ----------
    sigma : list of float
        sigma_0 .. sigma_{order + 1} of a matrix with the trace 1.
    least : float
        The share.
    """
    t = 0
    while t + 2 < len(sigma) and sigma[t + 2] > least * sigma[t + 1] > 0.0:
        t += 1
    return sigma[: t + 1]


def precondition(times, sigma, g):
    """Return P_t g, of order t = len(sigma) - 1, by t products.

    Parameters
    ----------
    times : callable
        Product with B.
    sigma : list of float
        From :func:`symmetric_polynomials`.
    g : array
        Any shape that ``times`` takes.
    """
    # Horner from the highest power: P_i g = sigma_i g - B P_{i-1} g.
    out = g
    for t in range(1, len(sigma)):
        out = sigma[t] * g - times(out)
    return out
