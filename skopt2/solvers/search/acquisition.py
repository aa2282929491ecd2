"""How good a point is to try next, from the posterior of a Gaussian process.

Problem: maximise f over X by evaluations y = f(x) + noise, f drawn from a Gaussian
process with posterior mean mu_t(x) and standard deviation sigma_t(x) after t of them.

Upper confidence bounds maximise mu + sqrt(zeta_t) sigma, where zeta_t is

- a number drawn anew in every round (IRGP-UCB): zeta_t = s + Z / lambda with Z standard
  exponential and lambda = 1/2, the two-parameter exponential distribution of Takeno,
  Inatsu and Karasuyama, "Randomized Gaussian Process Upper Confidence Bound with
  Tighter Bayesian Regret Bounds" (ICML 2023). For a finite X their theorem takes
  s = 2 log(|X| / 2), which does not grow with t (`theoretical_shift`). For a continuous
  X it puts a finer and finer grid over X, whose size takes the place of |X|, and whose
  constants are bounds on the derivatives of f, which nobody knows. A search of some
  dozen evaluations explores too much with the former already. Measured over seeds,
  s = 0 ended with half the regret of it on a grid of 432 candidates; on continuous
  spaces s = d / 2 lost to small constants in five dimensions, while s = 0 now and then
  stayed at a local maximum of a smooth function. A search takes s = 1 / 2 unless told
  otherwise.
- a number that grows (GP-UCB): zeta_t = 0.2 d log(2 t), the practical form of the
  schedule of Srinivas et al. (ICML 2010) by Kandasamy, Schneider and Poczos (ICML
  2015).

Expected improvement over a value b is E[max(f(x) - b, 0)] under the posterior (Mockus
1978); b is the largest posterior mean at an evaluated point, since values are noisy.
"""

import math

import numpy as np
from scipy.special import erfcx, ndtr

RATE = 0.5


def theoretical_shift(size):
    """Return s of the theorem of IRGP-UCB for a finite space.

    Parameters
    ----------
    size : int
        |X|.

    Returns
    -------
    s : float
        2 log(|X| / 2), not negative.
    """
    return 2.0 * math.log(max(size, 2) / 2.0)


def random_confidence(rng, shift=0.0):
    """Draw the confidence parameter of one round of IRGP-UCB.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the draw.
    shift : float, default=0.0
        s, the smallest value.

    Returns
    -------
    zeta : float
        From the exponential distribution of rate 1/2 that begins at s.
    """
    return shift + rng.exponential(1.0 / RATE)


def growing_confidence(n_evaluated, n_coordinates):
    """Return the confidence parameter of GP-UCB.

    Parameters
    ----------
    n_evaluated : int
        t, how many evaluations there are; at least 1.
    n_coordinates : int
        d, how many coordinates a point has.

    Returns
    -------
    zeta : float
        0.2 d log(2 t).
    """
    return 0.2 * n_coordinates * math.log(2.0 * n_evaluated)


def upper_bound(mean, std, zeta):
    """Return the upper confidence bound.

    Parameters
    ----------
    mean, std : ndarray of shape (m,)
        Posterior mean and standard deviation.
    zeta : float
        Confidence parameter.

    Returns
    -------
    bound : ndarray of shape (m,)
        mean + sqrt(zeta) std.
    """
    return mean + math.sqrt(zeta) * std


def log_expected_improvement(mean, std, best):
    """Return the logarithm of the expected improvement.

    The logarithm orders points whose improvement underflows.

    Parameters
    ----------
    mean, std : ndarray of shape (m,)
        Posterior mean and standard deviation.
    best : float
        The value to improve on.

    Returns
    -------
    improvement : ndarray of shape (m,)
        log(std (phi(z) + z Phi(z))) with z = (mean - best) / std.
    """
    # Not so small that z^2 overflows.
    std = np.maximum(std, 1e-100)
    z = (mean - best) / std
    above = np.maximum(z, -1.0)
    density = np.exp(-0.5 * above**2) / math.sqrt(2.0 * math.pi)
    near = np.log(density + above * ndtr(above))
    # Below, phi + z Phi = phi (1 - |z| Phi / phi). The bracket tends to 1 / z^2, and is
    # taken as that where rounding would leave no digit of it.
    below = np.minimum(z, -1.0)
    scaled = -below * math.sqrt(0.5 * math.pi) * erfcx(-below * math.sqrt(0.5))
    bracket = np.where(below < -1e5, below**-2.0, np.maximum(1.0 - scaled, 1e-12))
    far = -0.5 * below**2 - 0.5 * math.log(2.0 * math.pi) + np.log(bracket)
    return np.log(std) + np.where(z > -1.0, near, far)
