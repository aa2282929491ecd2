"""Responses of a linear predictor eta = X w at a given signal-to-noise ratio.

``snr`` is the variance of the mean of y over the mean of its variance, the variance
of eta being its sample variance v (the n values about their mean)::

    gaussian, laplace, heavy_tailed   y = eta + e,  var(e) = v / snr
    contaminated                      as gaussian, but one noise value in ten is ten
                                      times larger; var(e) counts the nine others
    poisson                           y ~ Poisson(exp(eta)), eta ~ N(0, s^2):
                                      snr = u^3 - u with u = exp(s^2 / 2)
    logistic                          y = [eta + e > 0], e standard logistic: v is
                                      snr times its variance, pi^2 / 3
    multinomial                       y = argmax_k eta_k + e_k, e_k standard Gumbel: v
                                      (mean over k) is snr times its variance, pi^2 / 6

The first three scale the noise and leave the coefficients alone, the last three have
noise of a fixed size and scale the coefficients.
"""

import math

import numpy as np

from skopt2._core.parameters import check_choice

ADDITIVE = ("gaussian", "laplace", "heavy_tailed", "contaminated")
REGRESSION_FAMILIES = (*ADDITIVE, "poisson")

# Student's t needs more than two degrees of freedom for a variance, which the
# signal-to-noise ratio is made of; three is the heaviest integer choice.
_T_DEGREES = 3.0
_OUTLIER_SHARE = 0.1
_OUTLIER_FACTOR = 10.0


def _unit_noise(family, n_samples, rng):
    """Draw noise of unit variance (unit variance of the inliers when contaminated)."""
    if family == "laplace":
        return rng.laplace(scale=math.sqrt(0.5), size=n_samples)
    if family == "heavy_tailed":
        scale = math.sqrt((_T_DEGREES - 2.0) / _T_DEGREES)
        return scale * rng.standard_t(_T_DEGREES, n_samples)
    noise = rng.standard_normal(n_samples)
    if family == "contaminated":
        noise[rng.random(n_samples) < _OUTLIER_SHARE] *= _OUTLIER_FACTOR
    return noise


def poisson_scale(snr):
    """Standard deviation of the log-mean at which Poisson counts have a given snr.

    For eta ~ N(0, s^2) and u = exp(s^2 / 2), the mean count is u and the variance of
    the mean is u^2 (u^2 - 1), so that snr = u^3 - u; its root above 1 is found by
    Newton's method, which decreases monotonically from any start to the right of it.
    """
    u = 1.0 + snr
    for _ in range(100):
        step = (u**3 - u - snr) / (3.0 * u**2 - 1.0)
        u -= step
        if step <= 1e-15 * u:
            break
    return math.sqrt(2.0 * math.log(u))


def predictor_scale(family, snr):
    """Return the standard deviation of eta that a fixed-noise family needs."""
    if family == "poisson":
        return poisson_scale(snr)
    if family == "logistic":
        return math.pi * math.sqrt(snr / 3.0)
    return math.pi * math.sqrt(snr / 6.0)


def _spread(eta):
    """Root mean variance of the predictor over samples; 1 for a constant one."""
    spread = float(np.sqrt(np.mean(np.var(eta, axis=0, dtype=np.float64))))
    return spread if spread > 0.0 else 1.0


def draw_response(family, X, coef, snr, rng):
    """Draw y given the design; return it with the coefficients that were used.

    Parameters
    ----------
    family : str
        One of the families of the module's first lines.
    X : ndarray or sparse array of shape (n_samples, n_features)
        Design.
    coef : ndarray of shape (n_features,) or (n_features, n_classes)
        Coefficients before scaling, float64.
    snr : float
        Signal-to-noise ratio, > 0.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    y : ndarray of shape (n_samples,)
        float64 for the regression families, int64 labels 0, 1, ... otherwise.
    coef : ndarray of the shape of ``coef``
        Scaled where the family has noise of a fixed size.
    """
    check_choice("family", family, (*REGRESSION_FAMILIES, "logistic", "multinomial"))
    eta = (X @ coef.astype(X.dtype, copy=False)).astype(np.float64, copy=False)
    if family in ADDITIVE:
        scale = _spread(eta) / math.sqrt(snr)
        return eta + scale * _unit_noise(family, eta.shape[0], rng), coef
    factor = predictor_scale(family, snr) / _spread(eta)
    coef, eta = coef * factor, eta * factor
    if family == "poisson":
        return rng.poisson(np.exp(eta)).astype(np.float64), coef
    if family == "logistic":
        return (eta + rng.logistic(size=eta.shape) > 0.0).astype(np.int64), coef
    return np.argmax(eta + rng.gumbel(size=eta.shape), axis=1), coef
