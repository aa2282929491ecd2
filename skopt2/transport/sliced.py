"""The sliced Wasserstein distance of two point clouds.

Problem: SW_p^p = E W_p^p(theta'X, theta'Y), theta uniform on the unit sphere of R^d:
the mean over directions of the transport cost between one-dimensional projections, each
of which is solved exactly by sorting (:mod:`skopt2.solvers.transport.sliced`). The mean
is estimated from L random directions, with control variates
(:mod:`skopt2.solvers.transport.control_variates`).

Symbols: X (n, d), Y (m, d) points; a (n,), b (m,) weights of common sum M; the distance
is that of the measures divided by M, times M: SW_p^p grows in proportion to M.

Sources: J. Rabin, G. Peyre, J. Delon and M. Bernot, Wasserstein barycenter and its
application to texture mixing, SSVM 2011; K. Nguyen and N. Ho, ICLR 2024; R. Leluc et
al., ICML 2024.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from skopt2._core import cuda
from skopt2._core.array import (
    accumulation_dtype,
    asarray_like,
    max_abs,
    move,
    namespace,
    to_numpy,
)
from skopt2._core.parameters import check_choice, check_count, check_number
from skopt2._core.random import spawn
from skopt2.solvers.transport.control_variates import (
    VALUES_PER_HARMONIC,
    SphereMean,
    controlled_mean,
    gaussian_control,
    harmonic_controls,
    harmonic_degree,
    n_harmonics,
)
from skopt2.solvers.transport.sliced import projected_variances, sliced_costs
from skopt2.solvers.transport.sphere import MAX_SOBOL, SAMPLINGS, draw_directions
from skopt2.transport.clouds import check_clouds, check_masses, support

CONTROL_VARIATES = ("auto", "lower", "upper", "spherical_harmonics", None)
# A regression on fewer values than this is worse than no regression.
MIN_REGRESSION = 8


@dataclass(frozen=True, eq=False)
class SlicedResult:
    """Estimate of a sliced Wasserstein distance.

    Attributes
    ----------
    value : float
        SW_p, the p-th root of ``value_p``, in the units of the points; 0 where the
        control variate made ``value_p`` negative.
    value_p : float
        Unbiased estimate of SW_p^p, up to the fit of the control variate.
    standard_error : float or None
        Of ``value``: the p-th root of ``value_p + standard_error_p``, less ``value``.
    standard_error_p : float or None
        Of ``value_p``, over the draw of the directions for the given points. None where
        there are no independent directions to estimate it from: for
        ``sampling="qmc"``, and for orthogonal directions of a single block. 0 for
        points on a line, where one direction is exact.
    n_projections : int
        Directions used.
    variance_reduction : float or None
        Factor by which the control variate divided the estimated variance: that many
        times more directions would have been needed without it. None as for
        ``standard_error_p``.
    control_variate : str or None
        The one that was used.
    directions : array of shape (n_projections, n_features)
        Unit rows in float64, where ``X`` lives.
    """

    value: float
    value_p: float
    standard_error: float | None
    standard_error_p: float | None
    n_projections: int
    variance_reduction: float | None
    control_variate: str | None
    directions: Any = field(repr=False)


def sliced_wasserstein(
    X,
    Y,
    *,
    a=None,
    b=None,
    p=2,
    n_projections=100,
    control_variate="auto",
    sampling="random",
    random_state=None,
    device=None,
):
    """Estimate the sliced Wasserstein distance of two weighted point clouds.

    The cost is n_projections sorts of n + m numbers, whatever the number of features.

    Parameters
    ----------
    X : array-like of shape (n_samples_X, n_features)
        Points of the first measure; float32 stays float32.
    Y : array-like of shape (n_samples_Y, n_features)
        Points of the second measure.
    a : array-like of shape (n_samples_X,), default=None
        Nonnegative masses of the points of ``X``; None for equal ones with the sum of
        ``b``, or with sum 1.
    b : array-like of shape (n_samples_Y,), default=None
        Masses of the points of ``Y``, with the sum of ``a``.
    p : float, default=2
        Exponent, at least 1.
    n_projections : int, default=100
        Number of directions.
    control_variate : {"auto", "lower", "upper", "spherical_harmonics"} or None, \
            default="auto"
        What reduces the variance. "lower" and "upper" use the bounds of the distance
        between two Gaussians and need ``p=2``. "spherical_harmonics" uses all even
        polynomials of the direction up to the largest degree that ``n_projections``
        affords; it is the best in few dimensions. "auto" takes the harmonics where
        there are directions enough for them, else "lower" for ``p=2``, else none.
    sampling : {"random", "orthogonal", "qmc"}, default="random"
        Independent directions, blocks of orthonormal ones, or randomised
        quasi-Monte-Carlo ones, which are the most accurate in two and three dimensions
        but come without a standard error.
    random_state : None, int, RandomState or Generator, default=None
        Draws the directions, the same for every array library and device.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None where ``X`` lives.

    Returns
    -------
    result : SlicedResult
        Value, standard error and directions.

    Raises
    ------
    ValueError
        If an argument is out of range, the points are not finite or have different
        numbers of features, the masses are negative, zero, or have different sums, or
        the control variate does not fit ``p`` or ``n_projections``.

    References
    ----------
    .. [1] K. Nguyen and N. Ho, "Sliced Wasserstein estimation with control variates",
       ICLR 2024.
    .. [2] R. Leluc, A. Dieuleveut, F. Portier, J. Segers and A. Zhuman,
       "Sliced-Wasserstein estimation with spherical harmonics as control variates",
       ICML 2024.

    Examples
    --------
    A shift by s in d dimensions has SW_2 = abs(s) / sqrt(d), here 3 / sqrt(2).

    >>> import numpy as np
    >>> from skopt2.transport import sliced_wasserstein
    >>> X = np.random.default_rng(0).standard_normal((200, 2))
    >>> result = sliced_wasserstein(X, X + [3.0, 0.0], random_state=0)
    >>> round(result.value, 6)
    2.12132
    """
    _check_options(p, n_projections, control_variate, sampling)
    source, target = cuda.resolve(device, X)
    X, Y = check_clouds(X, Y, source)
    a, b, mass = check_masses(a, b, X, Y)
    dim = X.shape[1]
    # One direction says all about points on a line.
    n_used = int(n_projections) if dim > 1 else 1
    chosen, degree = _choose(control_variate, p, n_used, dim)
    theta, blocks = _draw(n_used, dim, sampling, random_state)
    with target.activate():
        budget = cuda.memory_budget(target)
        X, a = support(move(X, target), a)
        Y, b = support(move(Y, target), b)
        X, Y, scale = _standardise(X, Y, a, b)
        costs = sliced_costs(X, Y, a, b, theta, float(p), budget)
        controls = None
        if chosen == "spherical_harmonics":
            controls = harmonic_controls(theta, degree)
        elif chosen is not None:
            controls = _gaussian(X, Y, a, b, theta, chosen, budget)
    mean = controlled_mean(costs, controls, blocks)
    if dim == 1:
        mean = SphereMean(mean.value, 0.0, 1.0)
    return _describe(mean, mass, scale, float(p), chosen, move(theta, source))


def _draw(n_directions, dim, sampling, random_state):
    """Return directions (L, d) and their independent blocks."""
    if sampling == "qmc" and dim > MAX_SOBOL:
        raise ValueError(
            f"sampling='qmc' is for at most {MAX_SOBOL} features, got {dim}; use "
            "sampling='orthogonal'."
        )
    return draw_directions(n_directions, dim, sampling, spawn(random_state, 1)[0])


def _choose(control_variate, p, n_projections, dim):
    """Return the control variate to use and the degree of the harmonics."""
    degree = harmonic_degree(n_projections, dim) if dim > 1 else 0
    if control_variate == "spherical_harmonics" and dim > 1 and not degree:
        needed = VALUES_PER_HARMONIC * n_harmonics(dim, 2)
        raise ValueError(
            f"control_variate='spherical_harmonics' with {dim} features needs "
            f"n_projections >= {needed}, got {n_projections}; use more, or 'lower'."
        )
    if control_variate in ("lower", "upper") and p != 2:
        raise ValueError(
            f"control_variate={control_variate!r} is for p=2, got p={p!r}; use 'auto', "
            "'spherical_harmonics' or None."
        )
    if dim == 1:
        return None, 0
    enough = n_projections >= MIN_REGRESSION
    if control_variate == "auto":
        if degree:
            return "spherical_harmonics", degree
        return ("lower" if p == 2 and enough else None), 0
    if control_variate in ("lower", "upper") and not enough:
        raise ValueError(
            f"control_variate={control_variate!r} needs n_projections >= "
            f"{MIN_REGRESSION}, got {n_projections}; use more, or None."
        )
    return control_variate, degree


def _check_options(p, n_projections, control_variate, sampling):
    """Raise ValueError for an argument that is no option."""
    check_number("p", p, 1)
    check_count("n_projections", n_projections)
    check_choice("control_variate", control_variate, CONTROL_VARIATES)
    check_choice("sampling", sampling, SAMPLINGS)


def _standardise(X, Y, a, b):
    """Return the clouds around their common centre, at most 1, and the scale.

    A common shift moves no cost; left in, it would cost float32 its digits. The powers
    of two divide without rounding.
    """
    total = 1.0
    for centre in (False, True):
        if centre:
            middle = 0.5 * (_mean(X, a) + _mean(Y, b))
            middle = asarray_like(middle, X)
            X, Y = X - middle, Y - middle
        largest = max(max_abs(X), max_abs(Y))
        if largest > 0:
            scale = 2.0 ** math.ceil(math.log2(largest))
            X, Y, total = X / scale, Y / scale, total * scale
    return X, Y, total


def _mean(X, weight):
    """Return the weighted mean of the rows in host memory, float64."""
    xp = namespace(X)
    wide = xp.astype(X, accumulation_dtype(X))
    if weight is None:
        return to_numpy(xp.mean(wide, axis=0))
    return to_numpy(weight @ wide)


def _gaussian(X, Y, a, b, theta, name, budget):
    """Return the lower or the upper control of Nguyen and Ho, (L, 1)."""
    mean_x, mean_y = _mean(X, a), _mean(Y, b)
    shift = mean_x - mean_y
    # Coordinates are at most 1, so this much is rounding of the two means.
    rounding = 8 * float(namespace(X).finfo(X.dtype).eps)
    if np.abs(shift).max() <= rounding:
        shift = np.zeros_like(shift)
    if name == "lower":
        return gaussian_control(theta, shift)
    spread_x, trace_x = projected_variances(X, a, mean_x, theta, budget)
    spread_y, trace_y = projected_variances(Y, b, mean_y, theta, budget)
    return gaussian_control(theta, shift, spread_x + spread_y, trace_x + trace_y)


def _describe(mean, mass, scale, p, control_variate, theta):
    """Return the result in the units of the points and of the masses."""
    # NumPy's floats: a power that overflows is inf, and no error.
    with np.errstate(over="ignore", under="ignore"):
        unit = np.float64(scale) ** p * mass
        root = float(scale * (max(mean.value, 0.0) * mass) ** (1.0 / p))
        error = error_p = None
        if mean.variance is not None:
            deviation = math.sqrt(mean.variance)
            upper = max(mean.value + deviation, 0.0)
            error_p = float(unit * deviation)
            error = float(scale * (upper * mass) ** (1.0 / p)) - root
        value_p = float(unit * mean.value)
    return SlicedResult(
        root,
        value_p,
        error,
        error_p,
        theta.shape[0],
        mean.reduction,
        control_variate,
        theta,
    )
