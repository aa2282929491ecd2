"""Barycentres of histograms: checks, kernel, solver, result."""

import math

import numpy as np

from skopt2._core import cuda
from skopt2._core.array import asarray_like, index_like, move, namespace, take
from skopt2._core.iterate import iterate
from skopt2.solvers.transport.barycenter_fixed import FixedSupport, OneMeasure
from skopt2.solvers.transport.geometry import DenseGeometry
from skopt2.solvers.transport.log_kernel import DenseLogKernel, GridLogKernel
from skopt2.transport.barycenter_result import FixedPlans, conclude, spread
from skopt2.transport.dense_input import check_costs
from skopt2.transport.measures import (
    check_histograms,
    check_weights,
)
from skopt2.transport.point_cloud import PointCloud


def fixed_kernel(cost, bins, like, target):
    """Return the kernel of histograms and the costs of their result.

    Parameters
    ----------
    cost : array-like of shape (n, m) or None
        As in :func:`.barycenter.wasserstein_barycenter`.
    bins : tuple of int
        Shape of one histogram.
    like : array
        Of the dtype, on the target.
    target : Target
        Where the solver runs.

    Returns
    -------
    kernel : object
        See :mod:`skopt2.solvers.transport.log_kernel`.
    geometry : callable
        ``geometry(rows, cols)`` returns the costs between some bins.
    """
    if cost is None:
        kernel = GridLogKernel(bins, like)
        points = kernel.points()

        def grid(rows, cols):
            return PointCloud(points, points).geometry(target, rows, cols)

        return kernel, grid
    if len(bins) > 1:
        raise ValueError(
            f"cost is a matrix, so histograms are its rows; got measures of shape "
            f"(k, {', '.join(map(str, bins))}). Reshape them to (k, n), or leave out "
            "cost for squared distances of pixels."
        )
    cost = check_costs(cost)
    if cost.shape[0] != bins[0]:
        raise ValueError(
            f"cost has the shape {tuple(cost.shape)}, but the histograms have {bins[0]}"
            " bins: its rows are their bins."
        )
    C = asarray_like(move(cost, target), like)

    def stored(rows, cols):
        parts = (index_like(k, like) for k in (rows, cols))
        rows, cols = parts
        return DenseGeometry(take(take(C, rows), cols, axis=1))

    return DenseLogKernel(C), stored


def find_fixed(measures, reg, cost, weights, debiased, start, device, options):
    """Find the barycentre of histograms.

    Parameters
    ----------
    measures, reg, cost, weights, debiased, start, device
        As in :func:`.barycenter.wasserstein_barycenter`.
    options : dict
        ``name``, ``tol``, ``max_iter`` and ``time_limit`` of the loop.

    Returns
    -------
    found : BarycenterResult
    """
    source, target = cuda.resolve(device, measures)
    B = check_histograms(measures, source)
    n, bins = int(B.shape[0]), tuple(int(k) for k in B.shape[1:])
    weights = check_weights(weights, n)
    with target.activate():
        B = move(namespace(B).reshape(B, (n, -1)), target)
        kernel, geometry = fixed_kernel(cost, bins, B, target)
        if debiased:
            check_symmetric(kernel)
        used = np.flatnonzero(weights)
        g = _check_start(start, n, kernel, B)
        result, p, f, g = solve_fixed(
            kernel,
            _rows(B, used),
            weights[used],
            reg,
            debiased=debiased,
            start=None if g is None else _rows(g, used),
            **options,
        )
        f, g = (spread(z, used, n, np.nan) for z in (f, g))
        plans = FixedPlans(geometry, B, p, f, g, source)
        outside = bins if cost is None else (int(p.shape[0]),)
        shapes = ((n, *bins), (n, *outside))
        xp = namespace(p)
        pair = tuple(
            move(xp.reshape(z, shape), source)
            for z, shape in zip((f, g), shapes, strict=True)
        )
        return conclude(
            result,
            barycenter=move(xp.reshape(p, outside), source),
            support=None,
            weights=weights,
            potentials=pair,
            marginal_error=result.certificate.value,
            displacement=None,
            reg=reg,
            debiased=bool(debiased),
            _plans=plans,
        )


def solve_fixed(kernel, B, w, reg, *, debiased, start=None, **options):
    """Run the loop on histograms that have weight.

    Parameters
    ----------
    kernel : object
        See :mod:`skopt2.solvers.transport.log_kernel`.
    B : array of shape (K, n)
        Histograms with sums of one.
    w : ndarray of shape (K,)
        Positive weights with the sum one.
    reg : float
        Regularisation.
    debiased : bool
        Whether to take the bias away.
    start : array of shape (K, m), default=None
        Potentials.
    **options : dict
        ``tol``, ``max_iter``, and what :func:`~skopt2._core.iterate.iterate` takes.

    Returns
    -------
    result : Result
        Of the loop.
    p : array of shape (m,)
        Barycentre.
    f, g : array of shape (K, n), (K, m)
        Potentials.
    """
    xp, n = namespace(B), B.shape[0]
    kind = FixedSupport
    # One histogram, once or several times, is its own debiased barycentre.
    rounding = 8.0 * float(xp.finfo(B.dtype).eps)
    if debiased and bool(xp.all(xp.abs(B - B[:1, :]) <= rounding * B[:1, :])):
        kind, B, w, start = OneMeasure, B[:1, :], w[:1] / w[0], None
    solver = kind(kernel, B, w, reg, debiased=debiased, tol=options["tol"])
    result = iterate(
        solver, solver.start(start), check_every=solver.interval, **options
    )
    found = result.solution
    f, g = found.f, found.g
    if f.shape[0] < n:
        f, g = (xp.broadcast_to(z, (n, z.shape[1])) for z in (f, g))
    return result, found.p, f, g


def check_symmetric(kernel):
    """Raise ValueError unless the costs are symmetric.

    Parameters
    ----------
    kernel : object
        See :mod:`skopt2.solvers.transport.log_kernel`.
    """
    C = getattr(kernel, "C", None)
    if C is None:
        return
    n, m = kernel.shape
    if n == m and float(namespace(C).max(namespace(C).abs(C - C.T))) <= (
        1e-6 * kernel.scale
    ):
        return
    raise ValueError(
        "debiased=True needs a symmetric cost: the barycentre is compared with itself. "
        f"The cost has the shape {(n, m)}"
        + (" and is not symmetric." if n == m else ".")
    )


def _check_start(start, n, kernel, B):
    """Return potentials (n, m) to start from, zeros where there are none."""
    if start is None:
        return None
    if len(start) != 2:
        raise ValueError(
            f"start must be a pair of potentials (f, g); it has {len(start)} items."
        )
    g, xp = asarray_like(start[1], B), namespace(B)
    m = kernel.shape[1]
    if g.shape[0] != n or math.prod(g.shape) != n * m:
        raise ValueError(
            f"start: g has the shape {tuple(g.shape)}, but there are {n} measures and "
            f"{m} bins of the barycentre."
        )
    g = xp.reshape(g, (n, m))
    return xp.where(xp.isfinite(g), g, xp.zeros_like(g))


def _rows(x, index):
    """Return some rows; all of them uncopied."""
    if len(index) == x.shape[0]:
        return x
    return take(x, index)
