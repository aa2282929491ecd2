"""Ground costs between bins as sums of costs along axes, and their kernel."""

from dataclasses import dataclass
from typing import Any

from skopt2._core.array import asarray_like, namespace
from skopt2._core.histograms import (
    check_normalisation,
    cost_scale,
    grid_cost,
    grid_shape,
    ground_cost,
)
from skopt2.solvers.wasserstein_dictionary.axes_kernel import AxesLogKernel


@dataclass(frozen=True, eq=False)
class GroundMetric:
    """Costs along the axes of the bins, and the regularisation.

    Parameters
    ----------
    axes : list of array of shape (n_m, n_m)
        Costs along each axis, whose sum is the ground cost.
    eps : float
        Regularisation, in the unit of the cost.
    scale : float
        Unit of the regularisation.
    """

    axes: Any
    eps: float
    scale: float

    @property
    def lengths(self):
        """Numbers of bins along the axes."""
        return tuple(int(C.shape[0]) for C in self.axes)

    def kernel(self):
        """Return the kernel, ready for its regularisation."""
        kernel = AxesLogKernel(self.axes)
        kernel.set_reg(self.eps)
        return kernel


def describe_metric(estimator, X, target):
    """Return the ground metric that the parameters of an estimator describe.

    Parameters
    ----------
    estimator : estimator
        With ``reg``, ``cost`` and ``normalize_cost``, in range.
    X : array of shape (n_samples, n_bins)
        Checked histograms, on the target.
    target : Target
        Where to compute.

    Returns
    -------
    metric : GroundMetric

    Raises
    ------
    ValueError
        If the cost does not fit the histograms, or its unit is unknown.
    """
    check_normalisation(estimator.normalize_cost)
    axes = _axes(estimator.cost, X, target)
    scale = _scale(axes, estimator.normalize_cost)
    return GroundMetric(axes, float(estimator.reg) * scale, scale)


def _axes(cost, X, target):
    """Return the costs along the axes."""
    n = int(X.shape[1])
    if cost is None or isinstance(cost, (str, tuple)):
        return [asarray_like(grid_cost((k,)), X) for k in grid_shape(cost, n)]
    if not isinstance(cost, list) or not all(hasattr(C, "dtype") for C in cost):
        return [ground_cost(cost, X, target)]
    if not cost or any(len(C.shape) != 2 for C in cost):
        raise ValueError(
            f"cost={cost!r} must hold one square matrix of costs for each axis."
        )
    total = 1
    for C in cost:
        total *= int(C.shape[0])
    if total != n:
        raise ValueError(
            f"cost has matrices for axes of {[int(C.shape[0]) for C in cost]} bins, "
            f"which do not multiply to the {n} features of X."
        )
    # Each as if its axis were all there is.
    return [ground_cost(C, X[:1, : int(C.shape[0])], target) for C in cost]


def _scale(axes, name):
    """Return the unit of the regularisation."""
    if name != "median" or len(axes) == 1:
        if name is None or len(axes) == 1:
            return cost_scale(axes[0], name)
        # Means and maxima of sums over independent indices are sums of theirs.
        scale = sum(_figure(C, name) for C in axes)
        return scale if scale > 0.0 else 1.0
    xp, total = namespace(axes[0]), axes[0]
    for C in axes[1:]:
        size = int(total.shape[0]) * int(C.shape[0])
        total = total[:, None, :, None] + C[None, :, None, :]
        total = xp.reshape(total, (size, size))
    return cost_scale(total, name)


def _figure(C, name):
    """Return the mean or the maximum of the costs along one axis; zero for one bin."""
    return cost_scale(C, name) if C.shape[0] > 1 else 0.0
