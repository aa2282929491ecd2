"""Masses and costs, checked where they live and brought to the form of the solvers."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from skopt2._core import cuda
from skopt2._core.array import (
    Target,
    device_of,
    move,
    namespace,
    put,
    take,
    to_numpy,
)
from skopt2._core.checks import check_real
from skopt2.solvers.transport.geometry import DenseGeometry
from skopt2.transport.dense_input import check_costs

# Relative difference of the total masses that counts as rounding.
TOTALS = {"float64": 1e-6, "float32": 1e-4}


@dataclass(frozen=True)
class TransportProblem:
    """A checked problem: positive masses that sum to one, and the costs between them.

    Parameters
    ----------
    geometry : object
        Costs between the rows and columns that have mass.
    a, b : array
        Their masses, divided by their totals.
    shape : tuple of int
        Numbers of rows and columns with those of no mass.
    rows, cols : array of int or None
        Numbers of those that have mass; None for all.
    masses : tuple of float
        Totals of the rows and the columns.
    source, target : Target
        Where the input lived, and where the solver runs.
    """

    geometry: Any
    a: Any
    b: Any
    shape: tuple
    rows: Any
    cols: Any
    masses: tuple
    source: Target
    target: Target

    @property
    def mass(self):
        """Total mass."""
        return self.masses[0]

    def restrict(self, f, g):
        """Return potentials of all rows and columns as those that the solver has."""
        xp = self.geometry.xp
        f = f if self.rows is None else xp.take(f, self.rows)
        g = g if self.cols is None else xp.take(g, self.cols)
        return self.geometry.centring.inside(f, g)

    def extend(self, f, g):
        """Return potentials of all rows and columns: -inf where there is no mass."""
        n, m = self.shape
        f, g = self.geometry.centring.outside(f, g)
        return _spread(f, self.rows, n, -math.inf), _spread(g, self.cols, m, -math.inf)

    def extend_rows(self, values):
        """Return rows of values for all rows: zero where there is no mass."""
        return _spread(values, self.rows, self.shape[0], 0.0)

    def extend_cols(self, values):
        """Return rows of values for all columns: zero where there is no mass."""
        return _spread(values, self.cols, self.shape[1], 0.0)

    def extend_plan(self, plan):
        """Return a plan of all rows and columns: zero where there is no mass."""
        if self.cols is not None:
            plan = self.extend_cols(plan.T).T
        return self.extend_rows(plan)


def check_problem(a, b, cost, *, device=None, balanced=True):
    """Check masses and costs, and move them to the device that computes.

    Parameters
    ----------
    a, b : array-like of shape (n,), (m,) or None
        Nonnegative masses; None for equal ones of sum 1.
    cost : array-like of shape (n, m) or point cloud
        Finite costs, or an object with ``shape`` and ``geometry(target, rows, cols)``.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute.
    balanced : bool, default=True
        Whether the totals have to be equal.

    Returns
    -------
    problem : TransportProblem

    Raises
    ------
    ValueError
        If something is not finite, negative, empty or of the wrong shape, or the totals
        differ.
    """
    points = hasattr(cost, "geometry")
    source, target = cuda.resolve(device, cost.X if points else cost)
    if not points:
        cost = move(check_costs(cost), target)
    n, m = (int(k) for k in cost.shape)
    a, total_a = _check_masses(a, n, "a", "row")
    b, total_b = _check_masses(b, m, "b", "column")
    rows = None if a.all() else np.flatnonzero(a)
    cols = None if b.all() else np.flatnonzero(b)
    if points:
        geometry = cost.geometry(target, rows, cols)
    # The potentials live on the target, and so do the numbers of those with mass.
    rows, cols = _indices(rows, target), _indices(cols, target)
    if not points:
        geometry = DenseGeometry(_select(cost, rows, cols))
    single = geometry.dtype == geometry.xp.float32
    slack = TOTALS["float32" if single else "float64"]
    if balanced and abs(total_a - total_b) > slack * max(total_a, total_b):
        raise ValueError(
            f"a sums to {total_a:.8g} and b to {total_b:.8g}, but balanced transport "
            "moves all mass: divide each by its sum, or set reg_marginal to let the "
            "plan create and destroy mass."
        )
    dtype = np.float32 if single else np.float64
    a = (a[a > 0] / total_a).astype(dtype, copy=False)
    b = (b[b > 0] / total_b).astype(dtype, copy=False)
    return TransportProblem(
        geometry,
        move(a, target),
        move(b, target),
        (n, m),
        rows,
        cols,
        (total_a, total_b),
        source,
        target,
    )


def _check_masses(values, n, name, side):
    """Return masses as float64 in host memory, and their sum."""
    if values is None:
        return np.full(n, 1.0 / n), 1.0
    # Masses are one vector: they may cross to the host, where checks are cheap.
    values = np.asarray(to_numpy(values) if hasattr(values, "dtype") else values)
    check_real(values, name)
    values = values.astype(np.float64)
    if values.shape != (n,):
        raise ValueError(
            f"{name} has the shape {values.shape}, expected ({n},): one mass for each "
            f"{side} of cost."
        )
    low, total = float(values.min()), float(values.sum())
    if not low >= 0.0:
        what = "NaN" if math.isnan(low) else f"{low:.4g}"
        raise ValueError(
            f"{name} must be nonnegative, but holds {what}. Remove or clip it."
        )
    if not 0.0 < total < math.inf:
        raise ValueError(
            f"{name} must have a positive, finite sum; it is {total}. Give at least "
            "one entry mass, and no infinite one."
        )
    return values, total


def _indices(index, target):
    """Return row or column numbers on a target."""
    return None if index is None else move(index, target)


def _select(cost, rows, cols):
    """Return the rows and columns of the cost that have mass."""
    cost = cost if rows is None else take(cost, rows)
    return cost if cols is None else take(cost, cols, axis=1)


def _spread(values, index, n, empty):
    """Return values at their row numbers among n rows, and ``empty`` elsewhere."""
    if index is None:
        return values
    shape = (n, *values.shape[1:])
    xp = namespace(values)
    full = xp.full(shape, empty, dtype=values.dtype, device=device_of(values))
    return put(full, index, values)
