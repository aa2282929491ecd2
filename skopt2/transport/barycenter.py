"""Barycentres of histograms on a fixed support, and of point clouds."""

import warnings

from sklearn.exceptions import ConvergenceWarning

from skopt2._core.parameters import check_positive
from skopt2._core.result import StopReason
from skopt2.solvers.transport.certificate import MARGINAL_ERROR
from skopt2.transport.fixed_support import find_fixed
from skopt2.transport.free_support import find_free
from skopt2.transport.sinkhorn import check_options

# Name of the certificate, tolerance and number of steps by default.
FIXED = (MARGINAL_ERROR, 1e-6, 10_000)
FREE = ("fixed-point error", 1e-4, 1000)


def wasserstein_barycenter(
    measures,
    *,
    reg,
    cost=None,
    weights=None,
    debiased=False,
    n_support=None,
    support=None,
    masses=None,
    tol=None,
    max_iter=None,
    start=None,
    time_limit=None,
    random_state=None,
    device=None,
):
    r"""Find the entropic Wasserstein barycentre of several measures.

    On a fixed support it is the histogram :math:`p` that minimises
    :math:`\sum_k w_k W(b_k, p)`, where :math:`W` is the minimum of
    <P, cost> + reg * sum(P (log P - 1)) over plans P with these marginals. Its blur,
    which grows with ``reg``, is taken away by ``debiased=True``: the Sinkhorn
    divergence then replaces :math:`W`.

    With ``n_support`` or ``support`` the measures are point clouds, and the barycentre
    has points of equal masses that move to where the sum is smallest, for squared
    Euclidean costs.

    Parameters
    ----------
    measures : array-like of shape (k, n) or (k, n_1, ..., n_d), or list of array-like
        Histograms, nonnegative, each of which is divided by its sum; or point clouds,
        a list of arrays of shape (n_k, n_features).
        float32 stays float32. NumPy, CuPy, and other array-API arrays while
        scikit-learn's array API dispatch is on.
    reg : float
        Regularisation, in the units of the cost.
    cost : array-like of shape (n, m), default=None
        Costs between the bins of the histograms and those of the barycentre; symmetric
        if ``debiased``. None for squared distances of the positions 0, 1, 2, ... of
        bins on a line, or of pixels of images of any dimension, whose kernel is applied
        axis by axis.
    weights : array-like of shape (k,), default=None
        Nonnegative weights; None for equal ones.
    debiased : bool, default=False
        Whether to take the bias of the entropy away.
    n_support : int, default=None
        Number of points of the barycentre of point clouds.
    support : array-like of shape (m, n_features), default=None
        Points to start from; None for some of the points of the clouds.
    masses : list of array-like of shape (n_k,), default=None
        Masses of the points of the clouds; None for equal ones.
    tol : float, default=None
        Tolerance of the certificate: the largest marginal error on a fixed support,
        None for 1e-6; the larger of displacement and marginal error for point clouds,
        None for 1e-4.
    max_iter : int, default=None
        Largest number of steps; None for 10000 on a fixed support, 1000 for point
        clouds.
    start : tuple of array, default=None
        Potentials of a result on a fixed support to start from, of any ``reg``; only
        the second array is used.
    time_limit : float, default=None
        Seconds after which to stop.
    random_state : None, int, RandomState or Generator, default=None
        Draws the points to start from.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None is where the measures are, and the result is there too.

    Returns
    -------
    result : BarycenterResult
        Barycentre, potentials, certificate and history; plans when asked for.

    Raises
    ------
    ValueError
        If a mass is negative or not finite, a measure has none, the cost is not finite
        or of the wrong shape, or a parameter is out of range.

    Warns
    -----
    ConvergenceWarning
        If the certificate did not reach the tolerance; ``result.converged`` is False
        then.

    Notes
    -----
    Debiasing undoes a blur of variance ``reg`` / 2 in the units of the cost. Detail
    that is much finer than that hardly changes the objective, so histograms that
    differ in it can have the same small marginal errors: choose ``reg`` no larger than
    the detail that matters.

    References
    ----------
    Benamou et al., Iterative Bregman projections for regularized transportation
    problems, SISC 2015; Janati et al., Debiased Sinkhorn barycenters, ICML 2020; Cuturi
    and Doucet, Fast computation of Wasserstein barycenters, ICML 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.transport import wasserstein_barycenter
    >>> bins = np.arange(30)
    >>> two = np.exp(-0.5 * (bins - np.array([[8.0], [20.0]])) ** 2 / 4.0)
    >>> result = wasserstein_barycenter(two, reg=1.0, debiased=True)
    >>> int(result.barycenter.argmax()), result.converged
    (14, True)
    >>> clouds = [np.array([[0.0], [1.0]]), np.array([[4.0], [5.0]])]
    >>> result = wasserstein_barycenter(clouds, reg=0.1, n_support=2, random_state=0)
    >>> np.sort(result.support, axis=0).round(2)
    array([[2.],
           [3.]])
    """
    reg = check_positive("reg", reg, hint="It is in the units of the cost.")
    free = n_support is not None or support is not None
    name, usual_tol, usual_steps = FREE if free else FIXED
    tol = usual_tol if tol is None else tol
    check_options("auto", tol, max_iter, time_limit)
    _check_kind(free, cost, masses, start)
    options = {
        "tol": tol,
        "max_iter": usual_steps if max_iter is None else max_iter,
        "time_limit": time_limit,
        "name": name,
    }
    if free:
        given = {"masses": masses, "n_support": n_support, "support": support}
        found = find_free(
            measures, reg, weights, debiased, random_state, device, options, **given
        )
    else:
        found = find_fixed(
            measures, reg, cost, weights, debiased, start, device, options
        )
    _warn_unless_converged(found)
    return found


def _check_kind(free, cost, masses, start):
    """Raise ValueError for parameters of the other kind of support."""
    if free and cost is not None:
        raise ValueError(
            "cost is for histograms: points of a barycentre move for squared "
            "Euclidean costs only. Leave out cost, or n_support and support."
        )
    if free and start is not None:
        raise ValueError(
            "start is for histograms. Pass support=result.support to start from a "
            "barycentre of point clouds."
        )
    if not free and masses is not None:
        raise ValueError(
            "masses are those of points. Pass n_support or support for the barycentre "
            "of point clouds; histograms are masses themselves."
        )


def _warn_unless_converged(found):
    """Emit a ConvergenceWarning that says what was reached and what to change."""
    if found.converged or found.stop_reason == StopReason.CALLBACK:
        return
    advice = {
        "max_iter": "Increase max_iter or reg, or loosen tol",
        "time_limit": "Increase time_limit or reg, or loosen tol",
        "stalled": "Loosen tol to what the floats can hold, pass measures in float64, "
        "or increase reg",
        "diverged": "Increase reg, or pass measures in float64",
    }[found.stop_reason]
    warnings.warn(
        f"The barycentre stopped ({found.stop_reason}) after {found.n_iter} steps with "
        f"reg={found.reg:.3g}: {found.certificate}. {advice}.",
        ConvergenceWarning,
        stacklevel=3,
    )
