"""Power kernels: the less smooth kernels that kernel thinning can split by.

k = F^-1 kappa is the kernel of the spectral density kappa; its alpha-power kernel is
k_alpha = F^-1 (kappa^alpha) / its value at 0, 1/2 <= alpha < 1. Closed forms in d
dimensions, t = r / l:

- Gaussian exp(-t^2 / 2): again Gaussian, of length scale sqrt(alpha) l. alpha = 1/2.
- Matern of smoothness nu, kappa ~ (1 + |omega|^2)^-(nu + d/2): Matern of smoothness
  nu' = alpha (nu + d/2) - d/2 with the same rate of decay. The roughest nu' that has
  alpha >= 1/2 is taken: 1/2 for nu = 3/2; 1/2, or 3/2 in one and two dimensions, for
  nu = 5/2; 1/4 for nu = 1/2, the Laplacian kernel.

Matern of nu' < 1/2 is a mixture of Gaussians (SCALES of them, which leaves it positive
definite whatever the accuracy):

k(t) = 1 / Gamma(nu') int_0^inf s^(nu' - 1) exp(-s - t^2 / (4 s)) ds.

Source: R. Dwivedi and L. Mackey, Generalized kernel thinning, ICLR 2022, definition 2
and table 1; the mixture by substitution in the integral of K_nu, NIST Digital Library
of Mathematical Functions, 10.32.10.
"""

import math
from numbers import Real

import numpy as np

from skopt2._core.array import asarray_like, namespace, to_numpy
from skopt2.kernels import Gaussian, Laplacian, Matern
from skopt2.kernels.radial import Radial

ROUGH = 0.25
# The integral over log(s) by the trapezoidal rule, whose error for this step is 1e-3.
STEP = 1.5
SCALES = np.arange(-18.5, 2.6, STEP)


class RoughMatern(Radial):
    """Matern kernel of smoothness 1/4, as a mixture of Gaussian kernels.

    Parameters
    ----------
    length_scale : float or array-like of shape (d,)
        Unit l of the distance, of the same decay exp(-r / l) as the Laplacian kernel.
    """

    name = "rough_matern"
    smooth = False

    def profile(self, p):
        """Kernel as a function of p = r^2; see :meth:`Radial.profile`."""
        xp, total = namespace(p), None
        for weight, rate in _MIXTURE:
            part = weight * xp.exp(-rate * p)
            total = part if total is None else total + part
        return total

    def profile_in_place(self, p, workspace):
        """Overwrite p by the kernel; see :meth:`Radial.profile_in_place`."""
        work = workspace.array("term", p.shape, p.dtype)
        total = workspace.array("sum", p.shape, p.dtype)
        total.fill(0.0)
        for weight, rate in _MIXTURE:
            np.multiply(p, -rate, out=work)
            np.exp(work, out=work)
            work *= weight
            total += work
        p[...] = total


def _mixture():
    """Return pairs of weight and rate, the weights with sum 1."""
    weights = STEP / math.gamma(ROUGH) * np.exp(ROUGH * SCALES - np.exp(SCALES))
    # What the integral has below the range decays within a ten-thousandth of l.
    weights[0] += 1.0 - weights.sum()
    rates = 0.25 * np.exp(-SCALES)
    return list(zip(weights.tolist(), rates.tolist(), strict=True))


_MIXTURE = _mixture()


def power_kernel(kernel, n_features):
    """Return a power kernel of a kernel.

    Parameters
    ----------
    kernel : Kernel
        Resolved: its length scale is a number, or one for each feature.
    n_features : int
        Dimension d.

    Returns
    -------
    power : Kernel
        With the value 1 at distance 0.
    alpha : float
        Exponent of the spectral density, in [1/2, 1).

    Raises
    ------
    ValueError
        If no power of the kernel is known.
    """
    scale = kernel.length_scale if isinstance(kernel, Radial) else None
    smoothness = getattr(kernel, "nu", None)
    if isinstance(kernel, Gaussian) or smoothness == math.inf:
        return Gaussian(_times(scale, math.sqrt(0.5))), 0.5
    if isinstance(kernel, Laplacian) or smoothness == 0.5:
        return RoughMatern(scale), (ROUGH + n_features / 2) / (0.5 + n_features / 2)
    if isinstance(kernel, Matern):
        for rougher in (0.5, 1.5):
            alpha = (rougher + n_features / 2) / (smoothness + n_features / 2)
            if alpha >= 0.5:
                factor = math.sqrt(rougher / smoothness)
                return Matern(rougher, _times(scale, factor)), alpha
    raise ValueError(
        f"kernel={kernel!r} has no known power kernel, which the variants 'power' and "
        "'plus' split by: use variant='target', or a gaussian, laplacian or matern "
        "kernel."
    )


def _times(scale, factor):
    """Return a length scale, or those of the features, times a number."""
    if isinstance(scale, Real):
        return factor * float(scale)
    if isinstance(scale, (list, tuple, np.ndarray)):
        return factor * np.asarray(scale, dtype=np.float64)
    return asarray_like(factor * to_numpy(scale), scale)
