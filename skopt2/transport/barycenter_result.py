"""What a barycentre problem returns: masses or points, plans, and their certificate."""

import functools
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from skopt2._core.array import (
    device_of,
    index_like,
    move,
    namespace,
    put,
    to_numpy,
)
from skopt2._core.result import Certificate, brief_repr
from skopt2.solvers.transport.certificate import bound


@dataclass(frozen=True, eq=False)
class BarycenterResult:
    """Entropic barycentre of several measures.

    The plan between measure k and the barycentre is
    P_ij = exp((f_ki + g_kj - cost_ij) / reg).

    Attributes
    ----------
    barycenter : array of shape (m,) or of that of an image
        Masses of the barycentre, with the sum one, where the measures are.
    support : array of shape (m, n_features) or None
        Points of the barycentre of point clouds; None on a fixed support.
    weights : ndarray of shape (k,)
        Weights of the measures, with the sum one.
    potentials : tuple
        ``(f, g)`` in the units of the cost: arrays with one histogram, or lists with
        one array for each cloud; -inf where there is no mass, NaN for a measure of
        weight zero, which has no plan.
    objective : float
        Without debiasing on a fixed support a lower bound on the sum over measures of
        weight times regularised cost; debiased less half the regularised cost between
        the barycentre and itself. In the units of the cost.
    marginal_error : float
        Largest of the errors ``|P 1 - b|_1 + |P' 1 - p|_1`` of the plans.
    displacement : float or None
        Of point clouds: root mean square distance of the support from where the plans
        send it, relative to the radius of the clouds.
    converged : bool
        Whether the certificate reached the tolerance.
    stop_reason : str
        ``"converged"``, ``"max_iter"``, ``"time_limit"``, ``"stalled"`` (at the floor
        of rounding) or ``"diverged"``.
    n_iter : int
        Steps.
    history : dict of ndarray
        One row per measure: ``iteration``, ``time`` in seconds, ``objective``,
        ``certificate``, and ``reg`` of the level on a fixed support, or
        ``marginal_error`` and ``n_inner``, the sweeps and Newton steps of the plans.
    certificate : Certificate
        Marginal error, or fixed-point error of point clouds (the larger of displacement
        and marginal error), beside its tolerance.
    reg : float
        Regularisation, in the units of the cost.
    debiased : bool
        Whether the bias of the entropy was taken away.
    """

    barycenter: Any
    support: Any
    weights: Any
    potentials: tuple
    objective: float
    marginal_error: float
    displacement: float | None
    converged: bool
    stop_reason: str
    n_iter: int
    history: dict
    certificate: Certificate
    reg: float
    debiased: bool
    _plans: Any = field(repr=False)

    __repr__ = brief_repr

    def plan(self, k):
        """Return the plan between a measure and the barycentre.

        Parameters
        ----------
        k : int
            Number of the measure.

        Returns
        -------
        plan : array of shape (n_k, m)
            Where the measures are; its rows are the bins or points of the measure.

        Raises
        ------
        ValueError
            If the measure has no weight.
        """
        if not self.weights[k] > 0.0:
            raise ValueError(f"Measure {k} has the weight 0, and so no plan.")
        return self._plans.plan(k, self.reg)

    @functools.cached_property
    def cost(self):
        """Weighted sum of the transport costs <P, cost>."""
        costs = (self._plans.inner(k, self.reg) for k in self._used)
        return sum(self.weights[k] * c for k, c in zip(self._used, costs, strict=True))

    @functools.cached_property
    def dual_gap(self):
        """Bound on the error of the objective on a fixed support; NaN where debiased.

        The objective of the plans rounded onto the histograms and the barycentre, less
        the dual objective; never negative. For point clouds it bounds the error of the
        plans on the support as it is.
        """
        if self.debiased:
            return math.nan
        gaps = (self._plans.gap(k, self.reg) for k in self._used)
        return sum(self.weights[k] * g for k, g in zip(self._used, gaps, strict=True))

    @property
    def _used(self):
        return [int(k) for k in np.flatnonzero(self.weights)]


def conclude(result, **figures):
    """Return what the user gets for the outcome of the loop.

    Parameters
    ----------
    result : Result
        What :func:`~skopt2._core.iterate.iterate` returned.
    **figures : dict
        The other fields.

    Returns
    -------
    found : BarycenterResult
    """
    return BarycenterResult(
        objective=result.objective,
        converged=result.certificate.holds,
        stop_reason=str(result.reason),
        n_iter=result.n_iter,
        history=result.history.as_dict(),
        certificate=result.certificate,
        **figures,
    )


class FixedPlans:
    """Plans between histograms and their barycentre on a fixed support.

    Parameters
    ----------
    geometry : callable
        ``geometry(rows, cols)`` returns the costs between some bins, as numbers in
        host memory.
    B : array of shape (K, n)
        Histograms.
    p : array of shape (m,)
        Barycentre.
    f, g : array of shape (K, n), (K, m)
        Potentials.
    source : Target
        Where the plans go.
    """

    def __init__(self, geometry, B, p, f, g, source):
        self.geometry, self.B, self.p, self.f, self.g = geometry, B, p, f, g
        self.source = source

    def plan(self, k, eps):
        """Return the plan of a histogram."""
        (rows, cols), geometry, pair, _ = self._problem(k)
        inner = geometry.plan(*pair, eps)
        inner = spread(inner.T, cols, self.p.shape[0]).T
        return move(spread(inner, rows, self.B.shape[1]), self.source)

    def inner(self, k, eps):
        """Return the transport cost of a histogram."""
        _, geometry, pair, _ = self._problem(k)
        return geometry.inner(*pair, eps)

    def gap(self, k, eps):
        """Return the duality gap of a histogram and the barycentre."""
        _, geometry, pair, masses = self._problem(k)
        return bound(geometry, *pair, eps, *masses).gap

    def _problem(self, k):
        """Return indices, costs, potentials and masses of the bins that have mass."""
        b, xp = self.B[k, :], namespace(self.B)
        index = [np.flatnonzero(to_numpy(masses)) for masses in (b, self.p)]
        rows, cols = (index_like(found, self.B) for found in index)
        pair = xp.take(self.f[k, :], rows), xp.take(self.g[k, :], cols)
        masses = xp.take(b, rows), xp.take(self.p, cols)
        geometry = self.geometry(*index)
        return index, geometry, geometry.centring.inside(*pair), masses


class FreePlans:
    """Plans between point clouds and the support of their barycentre.

    Parameters
    ----------
    found : FreeBarycenter
        Of the clouds with weight.
    numbers : dict of int to int
        Place among them of each cloud.
    masses : list of array
        Of the points that have mass.
    p : array of shape (m,)
        Masses of the support.
    rows : list of ndarray of int
        Points that have mass, in host memory.
    lengths : list of int
        Numbers of points.
    source : Target
        Where the plans go.
    """

    def __init__(self, found, numbers, masses, p, rows, lengths, source):
        self.found, self.numbers, self.masses, self.p = found, numbers, masses, p
        self.rows, self.lengths, self.source = rows, lengths, source

    def plan(self, k, eps):
        """Return the plan of a cloud."""
        s = self.numbers[k]
        inner = self.found.geometries[s].plan(*self.found.potentials[s], eps)
        return move(spread(inner, self.rows[s], self.lengths[s]), self.source)

    def inner(self, k, eps):
        """Return the transport cost of a cloud."""
        s = self.numbers[k]
        return self.found.geometries[s].inner(*self.found.potentials[s], eps)

    def gap(self, k, eps):
        """Return the duality gap of a cloud and the support."""
        s = self.numbers[k]
        pair = self.found.potentials[s]
        return bound(self.found.geometries[s], *pair, eps, self.masses[s], self.p).gap


def spread(values, index, n, empty=0.0):
    """Return rows of values at their numbers among n rows, and ``empty`` elsewhere.

    Parameters
    ----------
    values : array of shape (k, ...)
        Rows.
    index : ndarray of int of shape (k,)
        Their numbers, in host memory.
    n : int
        Number of rows.
    empty : float, default=0.0
        Value of the other rows.

    Returns
    -------
    full : array of shape (n, ...)
    """
    if len(index) == n:
        return values
    xp = namespace(values)
    shape = (n, *values.shape[1:])
    full = xp.full(shape, empty, dtype=values.dtype, device=device_of(values))
    return put(full, index_like(index, values), values)
