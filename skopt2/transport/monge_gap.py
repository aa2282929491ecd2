"""The Monge gap of a map on a sample: how far it is from optimal transport.

Problem: M(T) = sum_i a_i c(x_i, y_i) - W_eps(X, Y), y_i = T(x_i). Symbols: X, Y (n, d);
a (n,) with sum 1; W_eps the entropic cost (:mod:`skopt2.transport.entropic_cost`) of
which the coupling y_i = T(x_i) is one candidate. By the envelope theorem

    dM / dy_i = a_i dc(x_i, y_i) / dy_i - sum_k P_ki dc(x_k, y_i) / dy_i.

Source: T. Uscidda and M. Cuturi, The Monge gap: a regularizer to learn all transport
maps, ICML 2023 (definition 1, and its entropic estimator).
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from skopt2._core import cuda
from skopt2._core.array import asarray_like, index_like, move, namespace, put, sum64
from skopt2._core.parameters import check_choice, check_positive
from skopt2.solvers.transport.cost import METRICS
from skopt2.transport.clouds import check_clouds, check_mass, with_mass
from skopt2.transport.entropic_cost import EntropicCost, SelfCost, pair_costs
from skopt2.transport.sinkhorn import check_options


@dataclass(frozen=True, eq=False)
class MongeGap:
    """Monge gap of a map on a sample.

    Attributes
    ----------
    value : float
        The gap, in units of cost.
    map_cost : float
        Mean cost of the pairs (x_i, y_i).
    gradient : array of shape (n_samples, n_features)
        Derivative of ``value`` with respect to the images ``Y``, where ``X`` lives.
    marginal_error : float
        Largest marginal error of the entropic problems.
    converged : bool
        Whether it reached ``tol``.
    """

    value: float
    map_cost: float
    gradient: Any = field(repr=False)
    marginal_error: float
    converged: bool


def monge_gap(
    X,
    Y,
    reg,
    *,
    sample_weight=None,
    metric="sqeuclidean",
    debiased=False,
    tol=1e-6,
    max_iter=None,
    device=None,
):
    """Compute how much more a map costs than the best coupling of input and output.

    A score for any map, and a regulariser: its gradient comes with it.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Points; float32 stays float32.
    Y : array-like of shape (n_samples, n_features)
        Their images, in the same order.
    reg : float
        Entropic regularisation, in the units of the cost.
    sample_weight : array-like of shape (n_samples,), default=None
        Nonnegative weights, divided by their sum; None for equal ones.
    metric : {"sqeuclidean", "euclidean", "cityblock", "cosine"}, default="sqeuclidean"
        Ground cost.
    debiased : bool, default=False
        False compares the entropic objectives of the map's own coupling and of the best
        one: never negative, and 0 for optimal maps as ``reg`` tends to 0. True takes
        the Sinkhorn divergence for the cost of the best coupling, whose gradient
        vanishes at the identity for any ``reg``; it can be negative by a little.
    tol : float, default=1e-6
        Tolerance of the marginal error of the entropic problems.
    max_iter : int, default=None
        Largest number of iterations for the coupling; None for 10000.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None where ``X`` lives.

    Returns
    -------
    gap : MongeGap
        Value and gradient.

    Raises
    ------
    ValueError
        If an argument is out of range, the points are not finite, or there is not one
        image for each point.

    References
    ----------
    T. Uscidda and M. Cuturi, "The Monge gap: a regularizer to learn all transport
    maps", ICML 2023.

    Examples
    --------
    A dilation is optimal for squared distances, a rotation is not.

    >>> import numpy as np
    >>> from skopt2.transport import monge_gap
    >>> X = np.random.default_rng(0).standard_normal((50, 2))
    >>> bool(monge_gap(X, 2 * X, reg=0.01).value < 0.02)
    True
    >>> bool(monge_gap(X, X @ [[0, 1], [-1, 0]], reg=0.01).value > 1.0)
    True
    """
    reg = check_positive("reg", reg, hint="It is in the units of the cost.")
    check_options("auto", tol, max_iter, None)
    check_choice("metric", metric, METRICS)
    source, target = cuda.resolve(device, X)
    X, Y = check_clouds(X, Y, source)
    n = int(X.shape[0])
    if Y.shape[0] != n:
        raise ValueError(
            f"Y must hold the image of every point of X: X has {n} rows, Y has "
            f"{Y.shape[0]}."
        )
    share, _ = check_mass(sample_weight, n, "sample_weight", "rows of X")
    with target.activate():
        X, Y = move(X, target), move(Y, target)
        full = namespace(X).zeros_like(X)
        kept = None if share is None else np.flatnonzero(share)
        Y, _ = with_mass(Y, share)
        X, share = with_mass(X, share)
        found = _gap(X, Y, share, reg, metric, debiased, tol, max_iter)
        value, pairs, gradient, error = found
        gradient = namespace(X).astype(gradient, X.dtype)
        if kept is not None:
            gradient = put(full, index_like(kept, X), gradient)
    gradient = move(gradient, source)
    return MongeGap(value, pairs, gradient, error, error <= tol)


def _gap(X, Y, share, reg, metric, debiased, tol, max_iter):
    """Return gap, cost of the pairs, gradient, and largest marginal error."""
    weight, apart = asarray_like(share, X), 0.0
    if metric == "sqeuclidean":
        # The gap does not feel a translation, but rounding does.
        mean_x, mean_y = weight @ X, weight @ Y
        X, Y, apart = X - mean_x, Y - mean_y, sum64((mean_x - mean_y) ** 2)
    pairs, gradient = pair_costs(metric, Y, X, weight)
    best = EntropicCost(share, share, metric, reg, tol, max_iter)
    cost, slope = best.value_and_gradient(Y, X)
    value, gradient, errors = pairs - cost, gradient - slope, [best.marginal_error]
    if not debiased:
        # The map's own coupling has an entropy too.
        value += reg * float(share @ (np.log(share) - 1.0))
        return value, pairs + apart, gradient, errors[0]
    for points, factor in ((X, 0.0), (Y, 0.5)):
        own = SelfCost(share, metric, reg, tol)
        cost, slope = own.value_and_gradient(points)
        value, gradient = value + 0.5 * cost, gradient + factor * slope
        errors.append(own.marginal_error)
    return value, pairs + apart, gradient, max(errors)
